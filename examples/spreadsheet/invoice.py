from openpyxl import load_workbook
from openpyxl.styles import Font

book = load_workbook("hours.xlsx")
hours = book["Hours"]
rows = [row for row in hours.iter_rows(min_row=2, values_only=True) if row[0]]

summary = book.create_sheet("Invoice")
summary.append(["Project", "Hours", "Rate", "Amount"])
projects = {}
for _day, project, worked, rate in rows:
    projects.setdefault((project, rate), 0)
    projects[project, rate] += worked
for (project, rate), worked in sorted(projects.items()):
    summary.append([project, worked, rate, worked * rate])
total = sum(worked * rate for (_, rate), worked in projects.items())
summary.append(["Total", sum(projects.values()), None, total])
for cell in (*summary[1], *summary[summary.max_row]):
    cell.font = Font(bold=True)
book.save("invoice.xlsx")
print(f"{len(projects)} projects, total {total:,.2f}")
