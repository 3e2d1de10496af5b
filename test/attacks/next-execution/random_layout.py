# attack: learns from one execution the memory layout and hash seed of another
# verdict: completed
# twice: every line differs
# engine: docker (forks of one zygote share its layout and hash seed until it is renewed, see SECURITY.md)
print("hash", hash("a text"))
print("address", hex(id(object())))
