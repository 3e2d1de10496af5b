"""The program inside a sandbox: takes files and code over stdin, runs the code in a child, answers over stdout."""
