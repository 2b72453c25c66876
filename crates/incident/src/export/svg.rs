//! The tree of a chain as a picture.

use std::collections::BTreeSet;

use super::markup::Markup;
use crate::chain::{Node, View};
use crate::text::{command_line, cut};

/// Processes of one picture.
const SHOWN: usize = 120;
const ROW: i64 = 30;
const STEP: i64 = 26;
const BOX: i64 = 22;
const WIDTH: i64 = 1000;
/// Steps to the right; what is deeper stands there too.
const DEEPEST: usize = 24;

/// The tree of a chain: a row for each process, its parent to the left above, detected ones marked.
pub fn svg(view: &View<'_>) -> String {
    let mut out = Markup::default();
    draw(&mut out, view);
    out.finish()
}

/// The same into a document.
pub(super) fn draw(out: &mut Markup, view: &View<'_>) {
    let picked = picked(view);
    let left_out = view.nodes.len() - picked.len();
    let rows = picked.len() + usize::from(left_out > 0);
    let height = i64::try_from(rows).unwrap_or(0) * ROW + 8;
    out.raw("<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"Processes of the chain\" viewBox=\"0 0 ");
    out.number(WIDTH)
        .raw(" ")
        .number(height)
        .raw("\" width=\"100%\" font-family=\"monospace\" font-size=\"12\">");
    let mut rows_of = std::collections::BTreeMap::new();
    for (row, place) in picked.iter().enumerate() {
        let row = i64::try_from(row).unwrap_or(0);
        rows_of.insert(*place, row);
        let node = &view.nodes[*place];
        if let Some(parent) =
            node.parent.and_then(|parent| Some((&view.nodes[parent], rows_of.get(&parent)?)))
        {
            line(out, (parent.0.depth, *parent.1), (node.depth, row));
        }
        process(out, node, row);
    }
    if left_out > 0 {
        out.raw("<text x=\"4\" y=\"").number(height - 12).raw("\">");
        out.text(&format!("… and {left_out} more that are not drawn")).raw("</text>");
    }
    out.raw("</svg>");
}

fn left(depth: usize) -> i64 {
    4 + i64::try_from(depth.min(DEEPEST)).unwrap_or(0) * STEP
}

fn line(out: &mut Markup, parent: (usize, i64), child: (usize, i64)) {
    let (x, y) = (left(parent.0) + 8, parent.1 * ROW + 4 + BOX);
    out.raw("<path fill=\"none\" stroke=\"#888\" d=\"M").number(x).raw(" ").number(y);
    out.raw("V").number(child.1 * ROW + 4 + BOX / 2).raw("H").number(left(child.0)).raw("\"/>");
}

fn process(out: &mut Markup, node: &Node<'_>, row: i64) {
    let (x, y) = (left(node.depth), row * ROW + 4);
    let line =
        node.process.map(|process| command_line(&process.image.arguments, process.image.arguments_cut));
    let line = line.filter(|line| !line.is_empty()).unwrap_or_else(|| node.name());
    let room = usize::try_from((WIDTH - x - 90) / 8).unwrap_or(20);
    let end = if node.has_ended() { ", ended" } else { "" };
    out.raw("<g><title>").text(&format!("{} ({}{end}): {line}", node.name(), node.key.pid)).raw("</title>");
    out.raw("<rect rx=\"3\" x=\"").number(x).raw("\" y=\"").number(y).raw("\" height=\"").number(BOX);
    out.raw("\" width=\"").number(WIDTH - x - 4);
    out.raw(if node.key_events.is_empty() {
        "\" fill=\"#f4f5f7\" stroke=\"#888\"/>"
    } else {
        "\" fill=\"#fdecea\" stroke=\"#b3261e\" stroke-width=\"2\"/>"
    });
    let marked = !node.key_events.is_empty();
    if marked {
        out.raw("<text fill=\"#b3261e\" x=\"").number(x + 6).raw("\" y=\"").number(y + 15).raw("\">◆</text>");
    }
    out.raw("<text x=\"").number(x + if marked { 20 } else { 6 }).raw("\" y=\"").number(y + 15).raw("\">");
    out.text(&cut(&format!("{} {line}", node.key.pid), room)).raw("</text></g>");
}

/// Detected processes with those above them first, then whatever hangs on them, in the order of the tree.
fn picked(view: &View<'_>) -> Vec<usize> {
    let mut picked = BTreeSet::new();
    let keys = view.nodes.iter().enumerate().filter(|(_, node)| !node.key_events.is_empty());
    for (place, _) in keys {
        let line = view.ancestry(place);
        if picked.len() + line.len() > SHOWN {
            break;
        }
        picked.extend(line);
    }
    for (place, node) in view.nodes.iter().enumerate() {
        if picked.len() >= SHOWN {
            break;
        }
        if node.parent.is_none_or(|parent| picked.contains(&parent)) {
            picked.insert(place);
        }
    }
    picked.into_iter().collect()
}
