from tests.run.world import original, place

__all__ = ["original", "place"]
