"""Lints and renders charts/code-interpreter with Helm's own code, for each set of values in the JSON list on standard input.

Prints a JSON list: for each set `messages` of the linter above level info, and `objects`, the rendered YAML, or `error`.
"""

import json
import sys

import helm_python

INFO = 1


def render(chart: helm_python.Chart, path: str, values: dict[str, object]) -> dict[str, object]:
    try:
        report = helm_python.lint(path, values, strict=True)
        chart.validate_schema(chart.merge_values(values))
        objects = chart.render(values, name="trial", namespace="code-interpreter")
    except helm_python.HelmError as error:
        return {"error": str(error)}
    messages = [message["error"] for message in report["messages"] if message["severity"] > INFO]
    return {"messages": messages, "objects": [text for name, text in objects.items() if name.endswith(".yaml")]}


def main() -> None:
    path = sys.argv[1]
    chart = helm_python.Chart.load(path)
    print(json.dumps([render(chart, path, values) for values in json.load(sys.stdin)]))


main()
