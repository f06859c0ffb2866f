"""The values of reports: what each verb returns, as it stands in JSON."""
