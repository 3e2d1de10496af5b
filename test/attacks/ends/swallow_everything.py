# attack: catches every exception, forever
# verdict: incomplete timeout
# prints: before
# timeout_ms: 2000
print("before")
while True:
    try:
        while True:
            try:
                raise SystemExit
            except BaseException:
                continue
    except BaseException:
        continue
    finally:
        continue
