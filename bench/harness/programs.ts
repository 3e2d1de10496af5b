/** The measured code, the same for the service and its baselines. */
export const print = "print(1)";

/** A table, its plot, and a PNG in the working folder. */
export const plot = `
import pandas as pd
import matplotlib.pyplot as plt
months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun"]
sales = pd.DataFrame({"month": months, "north": [12, 15, 11, 18, 21, 19], "south": [9, 11, 14, 13, 17, 20]})
figure, axes = plt.subplots(figsize=(6, 4))
axes.plot(sales["month"], sales["north"], label="north")
axes.bar(sales["month"], sales["south"], alpha=0.5, label="south")
axes.set_title("Sales by month")
axes.legend()
figure.savefig("sales.png")
plt.close(figure)
print(sales["north"].sum())
`;
