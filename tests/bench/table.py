"""The figures as a table, and whether the aims are met."""

from statistics import median


def spread(values, form):
    return f"{form.format(min(values))}-{form.format(max(values))}"


class Row:
    """One measure: pairs of values of Moat and Postfix, taken side by side."""

    def __init__(self, name, unit, aim=None, form="{:.3f}"):
        self.name = name
        self.unit = unit
        self.aim = aim
        self.form = form
        self.ours = []
        self.theirs = []

    def ratios(self):
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs) if theirs]

    def verdict(self):
        """Says "missed" only where no pair came as low as the aim."""
        ratios = self.ratios()
        if self.aim is None or not ratios:
            return ""
        if median(ratios) <= self.aim:
            return "met"
        return "within spread" if min(ratios) <= self.aim else "missed"

    def cells(self):
        def shown(values):
            return self.form.format(median(values)) if values else "-"

        ratios = self.ratios()
        return [self.name, self.unit, str(self.aim or ""), shown(self.ours),
                shown(self.theirs), f"{median(ratios):.2f}" if ratios else "-",
                spread(ratios, "{:.2f}") if len(ratios) > 1 else "", self.verdict()]


HEAD = ["measure", "unit", "aim", "Moat", "Postfix", "ratio", "spread", ""]


def lines(rows):
    """Returns the table as Markdown that also reads well as plain text."""
    table = [HEAD] + [row.cells() for row in rows if row.ours or row.theirs]
    widths = [max(len(line[i]) for line in table) for i in range(len(HEAD))]

    def joined(cells):
        padded = [cell.ljust(width) if i < 2 or i == 7 else cell.rjust(width)
                  for i, (cell, width) in enumerate(zip(cells, widths))]
        return "| " + " | ".join(padded) + " |"

    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return [joined(table[0]), rule] + [joined(cells) for cells in table[1:]]


def missed(rows):
    return [row for row in rows if row.verdict() == "missed"]
