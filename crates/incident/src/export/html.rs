//! A report for people: one file without scripts and without anything to fetch, fit for paper.

use quell_wire::activity::Deed;

use super::Report;
use super::markup::Markup;
use super::svg;
use crate::chain::{View, merged};
use crate::summary::{severity_name, source_name, verdict_name};
use crate::text::{LINE, NAME, count, cut, hex, shown};
use crate::{attack, tell};

/// Rows of the timeline. All of it is in the JSON.
const ROWS: usize = 2000;

const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\"><head><meta charset=\"utf-8\"/>\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\
<meta name=\"referrer\" content=\"no-referrer\"/><style>\
body{font:15px/1.5 system-ui,sans-serif;color:#1b1f24;background:#fff;max-width:70rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .5rem;overflow-wrap:anywhere}\
h2{font-size:1.15rem;margin:2rem 0 .5rem;border-bottom:1px solid #c9ced6}\
h3{font-size:1rem;margin:1.2rem 0 .3rem;overflow-wrap:anywhere}\
table{border-collapse:collapse;width:100%;font-size:.86rem}\
th,td{text-align:left;vertical-align:top;padding:.25rem .5rem;border-bottom:1px solid #e2e5ea;overflow-wrap:anywhere}\
th{background:#f4f5f7;white-space:nowrap}thead{display:table-header-group}tr{break-inside:avoid}\
.key{background:#fdecea}.m{font-family:ui-monospace,monospace}.n{white-space:nowrap}\
.tag{display:inline-block;border:1px solid #888;border-radius:.3rem;padding:0 .4rem;margin-right:.4rem}\
.critical,.high{border-color:#b3261e;color:#b3261e;font-weight:600}.medium{border-color:#8a5a00;color:#8a5a00;font-weight:600}\
svg{max-width:100%;height:auto}footer{margin-top:3rem;color:#555;font-size:.8rem}\
@page{margin:15mm}@media print{body{margin:0;max-width:none;font-size:11px}h2{break-after:avoid}}\
</style><title>";

/// The incident as one HTML document; it is well-formed XML too.
pub fn html(report: &Report<'_>) -> String {
    let mut out = Markup::default();
    let incident = report.incident;
    let title = cut(&incident.title, 300);
    out.raw(HEAD)
        .text(&format!("Incident {}: {title}", incident.number))
        .raw("</title></head><body><header><h1>");
    out.text(&title).raw("</h1><p>");
    out.raw(match incident.severity.as_str() {
        "critical" => "<span class=\"tag critical\">",
        "high" => "<span class=\"tag high\">",
        "medium" => "<span class=\"tag medium\">",
        _ => "<span class=\"tag\">",
    });
    out.text(&incident.severity).raw("</span>");
    out.element("<span class=\"tag\">", &said(&incident.status), "</span>");
    if let Some(resolution) = &incident.resolution {
        out.element("<span class=\"tag\">", &said(resolution), "</span>");
    }
    out.text(&format!("Incident {} of {}", incident.number, report.tenant)).raw("</p></header><main>");
    facts(&mut out, report);
    techniques(&mut out, report);
    detections(&mut out, report);
    for view in report.views {
        chain(&mut out, report, view);
    }
    timeline(&mut out, report);
    actions(&mut out, report);
    notes(&mut out, report);
    out.raw("</main><footer><p>")
        .text(&format!("Written {} by Quell. Times are UTC.", moment(report.made_at_us)));
    out.raw("</p><p>").text(&format!("ATT&CK {}: {}", attack::version(), attack::licence()));
    out.raw("</p></footer></body></html>\n");
    out.finish()
}

/// A moment to the millisecond, for a narrow column.
fn moment(at_us: i64) -> String {
    let text = crate::text::moment(at_us).replace('T', " ");
    text.get(..text.len().saturating_sub(4)).unwrap_or(&text).to_owned()
}

/// `in_progress` as one says it.
fn said(code: &str) -> String {
    code.replace('_', " ")
}

fn row(out: &mut Markup, name: &str, value: &str) {
    out.element("<tr><th scope=\"row\" class=\"n\">", name, "</th><td>").text(value).raw("</td></tr>");
}

fn facts(out: &mut Markup, report: &Report<'_>) {
    let incident = report.incident;
    let names: Vec<_> = report.endpoints().into_iter().map(|id| report.setting.name_of(id)).collect();
    out.raw("<table><tbody>");
    row(out, "First detected", &moment(incident.first_at_us));
    row(out, "Last detected", &moment(incident.last_at_us));
    row(out, "Endpoints", &cut(&names.join(", "), 2000));
    row(out, "Assigned to", incident.assignee.as_deref().unwrap_or("nobody"));
    row(out, "Incident id", &incident.id);
    out.raw("</tbody></table>");
}

fn techniques(out: &mut Markup, report: &Report<'_>) {
    let techniques = report.techniques();
    if techniques.is_empty() {
        return;
    }
    out.raw("<h2>ATT&amp;CK techniques</h2><table><thead><tr><th>Id</th><th>Technique</th><th>Tactics</th></tr></thead><tbody>");
    for id in techniques.into_iter().take(ROWS) {
        let known = attack::technique(id);
        let titles = attack::tactics()
            .iter()
            .filter(|tactic| known.is_some_and(|known| known.tactics.contains(&tactic.0)));
        let titles: Vec<_> = titles.map(|tactic| tactic.1.as_str()).collect();
        out.element("<tr><td class=\"m n\">", id, "</td><td>");
        out.text(known.map_or("", |known| &known.name)).element(
            "</td><td>",
            &titles.join(", "),
            "</td></tr>",
        );
    }
    out.raw("</tbody></table>");
}

fn detections(out: &mut Markup, report: &Report<'_>) {
    out.raw("<h2>Detections</h2><table><thead><tr><th>Time</th><th>Endpoint</th><th>Detection</th><th>Severity</th><th>Verdict</th><th>Object</th></tr></thead><tbody>");
    let hits =
        report.views.iter().flat_map(|view| view.detections().map(move |(entry, hit)| (view, entry, hit)));
    for (view, entry, hit) in hits.take(ROWS) {
        let at_us = entry.map_or(hit.at_us, |entry| entry.activity.at_us);
        let object = view.object_of(hit);
        let title = if hit.title.is_empty() { &hit.rule } else { &hit.title };
        out.element("<tr><td class=\"n\">", &moment(at_us), "</td><td>");
        out.text(&report.setting.name_of(&view.chain.endpoint)).raw("</td><td>");
        out.text(&cut(title, NAME)).raw("<br/>").text(&said(source_name(hit.source())));
        if !hit.note.is_empty() {
            out.raw("<br/>").text(&cut(&hit.note, LINE));
        }
        out.element("</td><td class=\"n\">", severity_name(hit.severity()), "</td><td class=\"n\">");
        out.text(&said(verdict_name(hit.verdict()))).raw("</td><td class=\"m\">");
        if let Some(object) = object {
            out.text(&object.label());
            if !object.sha256.is_empty() {
                out.raw("<br/>").text(&format!("SHA-256 {}", hex(object.sha256)));
            }
        }
        out.raw("</td></tr>");
    }
    out.raw("</tbody></table>");
}

fn chain(out: &mut Markup, report: &Report<'_>, view: &View<'_>) {
    out.raw("<h2>Threat development chain on ")
        .text(&report.setting.name_of(&view.chain.endpoint))
        .raw("</h2><p>");
    let processes = count(view.nodes.len(), "process", "processes");
    let events = count(view.entries.len(), "activity event", "activity events");
    out.text(&format!("{processes}, {events}. Marked processes have key activity events."));
    let gaps = view.chain.gaps;
    if gaps.begins_late {
        out.text(" Its beginning is older than what the recorder keeps.");
    }
    let beyond = gaps.processes_beyond.saturating_add(gaps.activities_beyond);
    if gaps.lost > 0 || beyond > 0 {
        out.text(&format!(
            " {} events of the endpoint were lost meanwhile, {beyond} were beyond the limits of a chain.",
            gaps.lost
        ));
    }
    if gaps.vanished_files > 0 {
        let files = count(gaps.vanished_files as usize, "file", "files");
        out.text(&format!(" {files} of the endpoint came and went with their directory meanwhile."));
    }
    out.raw("</p>");
    svg::draw(out, view);
}

fn timeline(out: &mut Markup, report: &Report<'_>) {
    let moments = merged(report.views);
    out.raw("<h2>Timeline</h2>");
    if moments.len() > ROWS {
        out.element(
            "<p>",
            &format!("The first {ROWS} of {} activity events, and all key ones.", moments.len()),
            "</p>",
        );
    }
    out.raw("<table><thead><tr><th>Time</th><th>Endpoint</th><th>Process</th><th>Kind</th><th>Activity</th></tr></thead><tbody>");
    for (index, moment_) in moments.iter().enumerate() {
        let view = &report.views[moment_.chain];
        let entry = &view.entries[moment_.entry];
        let is_key = !entry.detections.is_empty();
        if index >= ROWS && !is_key {
            continue;
        }
        out.raw(if is_key { "<tr class=\"key\"><td class=\"n\">" } else { "<tr><td class=\"n\">" });
        out.text(&moment(moment_.at_us)).raw("</td><td>").text(&report.setting.name_of(&view.chain.endpoint));
        let name = entry.node.map_or_else(String::new, |place| view.nodes[place].name());
        out.raw("</td><td class=\"m\">")
            .text(&format!("{name} ({})", entry.activity.process.pid))
            .raw("</td><td class=\"n\">");
        out.text(entry.activity.deed.as_ref().map_or("", kind))
            .raw("</td><td class=\"m\">")
            .text(&tell::activity(entry));
        for hit in entry.detections.iter().take(8) {
            let title = if hit.title.is_empty() { &hit.rule } else { &hit.title };
            out.raw("<br/>").element(
                "<strong>",
                &format!("◆ {}", shown(title.as_bytes(), NAME)),
                "</strong>",
            );
        }
        out.raw("</td></tr>");
    }
    out.raw("</tbody></table>");
}

fn kind(deed: &Deed) -> &'static str {
    tell::kind_title(deed)
}

fn actions(out: &mut Markup, report: &Report<'_>) {
    out.raw("<h2>Response actions</h2>");
    if report.actions.is_empty() {
        out.raw("<p>None was asked for.</p>");
        return;
    }
    out.raw("<table><thead><tr><th>Asked</th><th>By</th><th>Action</th><th>On</th><th>State</th><th>Ended</th></tr></thead><tbody>");
    for action in report.actions.iter().take(ROWS) {
        let title = quell_catalog::ActionKind::from_id(&action.action)
            .map_or(action.action.as_str(), |kind| kind.spec().title);
        let place = action.endpoint.as_deref().unwrap_or("all endpoints");
        out.element("<tr><td class=\"n\">", &moment(action.requested_at_us), "</td><td>")
            .text(&action.requested_by);
        out.element("</td><td>", title, "</td><td>").text(place).raw("<br/>").element(
            "<span class=\"m\">",
            &cut(&action.object, LINE),
            "</span>",
        );
        out.element("</td><td class=\"n\">", &said(&action.state), "</td><td class=\"n\">");
        out.text(&action.ended_at_us.map(moment).unwrap_or_default()).raw("</td></tr>");
    }
    out.raw("</tbody></table>");
}

fn notes(out: &mut Markup, report: &Report<'_>) {
    if report.notes.is_empty() {
        return;
    }
    out.raw("<h2>Notes</h2>");
    for note in report.notes.iter().take(ROWS) {
        out.element("<h3>", &format!("{}, {}", note.author, moment(note.at_us)), "</h3><p>")
            .lines(&note.text)
            .raw("</p>");
    }
}
