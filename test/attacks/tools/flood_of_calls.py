# attack: makes more calls than one execution may
# verdict: completed
# prints: 1000 the limit of 1000 tool calls
# calls: at most 1000
count = 0
try:
    while True:
        echo(x=count)
        count += 1
except ToolError as error:
    print(count, error)
