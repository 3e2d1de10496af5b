# attack: learns from one execution where another one's objects lie and how its hashes fall
# verdict: completed
# twice: every line differs
# engine: docker (the forked ones of one zygote share its layout and hash seed until it is renewed, as SECURITY.md says)
print("hash", hash("a text"))
print("address", hex(id(object())))
