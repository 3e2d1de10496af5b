import pandas as pd

contacts = pd.read_csv("contacts.csv", dtype=str)
contacts["key"] = contacts.email.str.strip().str.lower()

# The fullest row of each address wins; among equals, the first.
contacts["filled"] = contacts[["name", "email", "phone"]].notna().sum(axis=1)
unique = contacts.sort_values("filled", ascending=False, kind="stable").drop_duplicates("key").sort_index()
unique = unique[["name", "email", "phone"]]

unique.to_csv("contacts-unique.csv", index=False)
print(f"{len(contacts)} contacts, {len(unique)} people")
unique
