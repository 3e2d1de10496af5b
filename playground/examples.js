/** Example programs. The editor starts with the first. */
export const examples = [
  {
    title: "Compound interest",
    code: `import pandas as pd
import matplotlib.pyplot as plt

principal, rate, years = 10_000, 0.07, 20
growth = pd.DataFrame({"year": range(years + 1)})
growth["balance"] = (principal * (1 + rate) ** growth["year"]).round(2)

print(f"After {years} years: \${growth['balance'].iloc[-1]:,.2f}")

plt.plot(growth["year"], growth["balance"], marker="o")
plt.title(f"{principal:,} at {rate:.0%}")
plt.xlabel("year")
plt.ylabel("balance")

growth.tail()
`,
  },
  {
    title: "Files: clean a CSV",
    code: `from pathlib import Path
import pandas as pd

if not Path("sales.csv").exists():
    Path("sales.csv").write_text("month,amount\\nJan,120\\nFeb,n/a\\nMar,180\\n")

sales = pd.read_csv("sales.csv", na_values=["n/a"]).dropna()
sales.to_csv("sales-clean.csv", index=False)
sales
`,
  },
  {
    title: "Live output",
    code: `import time

for step in range(1, 11):
    print(f"step {step} of 10", flush=True)
    time.sleep(0.5)
`,
  },
  {
    title: "An error",
    code: `def share(total, people):
    return total / people

for people in (4, 2, 0):
    print(f"{people} people: {share(100, people)}")
`,
  },
];
