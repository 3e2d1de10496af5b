import json
from statistics import mean

with open("stations.json", encoding="utf-8") as file:
    measured = json.load(file)

averages = {}
for station in measured["stations"]:
    values = [reading["value"] for reading in station["readings"] if reading["value"] is not None]
    averages[station["name"]] = round(mean(values), 2)
    print(f"{station['name']}: {averages[station['name']]} {measured['unit']} from {len(values)} readings")

with open("averages.json", "w", encoding="utf-8") as file:
    json.dump(averages, file, indent=2)
