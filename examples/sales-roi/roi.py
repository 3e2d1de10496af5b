import pandas as pd

sales = pd.read_csv("sales.csv")
by_campaign = sales.groupby("campaign")[["spend", "revenue"]].sum()
by_campaign["roi_percent"] = ((by_campaign.revenue - by_campaign.spend) / by_campaign.spend * 100).round(1)

best = by_campaign.roi_percent.idxmax()
total = sales.revenue.sum() / sales.spend.sum() - 1
print(f"Best campaign: {best} ({by_campaign.roi_percent[best]} %)")
print(f"All campaigns together: {total:.1%}")

by_campaign.sort_values("roi_percent", ascending=False)
