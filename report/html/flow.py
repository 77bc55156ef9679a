"""The flow of images as SVG for the page. Pure."""

from markupsafe import Markup

from report.render.flow_diagram import LINE, PAD, WIDTH, Arrow, Box, flow_diagram
from report.report_model import Report

_HEAD = 5  # length of an arrow's head


def flow_svg(report: Report) -> Markup:
    """The diagram of `report.render.flow_diagram`, drawn in the colour of the text around it."""
    diagram = flow_diagram(report)
    drawn = (*map(_arrow, diagram.arrows), *map(_box, diagram.boxes))
    return Markup(
        '<svg viewBox="0 -1 {} {:g}" width="{}" role="img" aria-label="Flow of images: {}" '
        'fill="none" stroke="currentColor" font-size="13">{}</svg>'
    ).format(WIDTH, diagram.height + 2, WIDTH, diagram.words, Markup("").join(drawn))


def _box(box: Box) -> Markup:
    frame = Markup('<rect x="{:g}" y="{:g}" width="{:g}" height="{:g}"/>').format(
        box.x, box.y, box.width, box.height
    )
    return frame + Markup("").join(
        Markup(
            '<text x="{:g}" y="{:g}" fill="currentColor" stroke="none" font-weight="{}">{}</text>'
        ).format(box.x + PAD, box.y + PAD + index * LINE + 12, "normal" if index else "bold", words)
        for index, words in enumerate(box.lines)
    )


def _arrow(arrow: Arrow) -> Markup:
    points = " ".join(f"{x:g},{y:g}" for x, y in arrow.points)
    (x_before, _), (x, y) = arrow.points[-2:]
    down = x_before == x
    across, up = (_HEAD / 2, _HEAD) if down else (_HEAD, _HEAD / 2)
    others = (
        (x - across, y - up),
        (x + across if down else x - across, y - up if down else y + up),
    )
    head = " ".join(f"{at:g},{level:g}" for at, level in (*others, (x, y)))
    return Markup('<polyline points="{}"/><polygon points="{}" fill="currentColor"/>').format(
        points, head
    )
