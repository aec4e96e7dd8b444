// Opens and closes all transcripts; everything else on the page works without a script.
const all = document.getElementById("all");
all.addEventListener("click", () => {
    const open = all.textContent === "Open all";
    for (const d of document.querySelectorAll("details")) d.open = open;
    all.textContent = open ? "Close all" : "Open all";
});
