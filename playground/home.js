// The commands name this service as the reader reaches it.
for (const place of document.querySelectorAll(".base")) place.textContent = location.origin;
