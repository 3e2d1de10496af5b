import matplotlib.pyplot as plt
import pandas as pd


def amount(text):
    """Numbers as Germans write them (1.249,90) and as the British do (349.00)."""
    if "," in text:
        text = text.replace(".", "").replace(",", ".")
    return pd.to_numeric(text, errors="coerce")


raw = pd.read_csv("orders.csv", sep=";", dtype=str, keep_default_na=False)
orders = raw.drop_duplicates().copy()
orders["customer"] = orders.customer.str.strip().str.title().replace({"Miller Gmbh": "Miller GmbH", "Nordwind As": "Nordwind AS", "Acme Ltd": "ACME Ltd"})
german = pd.to_datetime(orders.date, format="%d.%m.%Y", errors="coerce")
orders["date"] = german.fillna(pd.to_datetime(orders.date, format="%Y-%m-%d", errors="coerce"))
orders["amount"] = orders.amount.map(amount)
clean = orders.dropna(subset=["date", "amount"])

print(f"{len(raw)} rows read, {len(clean)} kept, {len(raw) - len(clean)} dropped")
clean.to_csv("orders-clean.csv", index=False)

totals = clean.groupby("customer").amount.sum().sort_values()
totals.plot.barh(title="Orders by customer", xlabel="EUR")
plt.tight_layout()
plt.show()
totals
