//! Prevent run, quarantine, delete: what an activity event says of a file.

use quell_catalog::{ActionKind, file};
use serde_json::Value;

use super::{Offer, Whereabouts};
use crate::chain::{Object, ObjectKind, View};
use crate::setting::{Setting, Told};
use crate::{system, text};

const TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;

/// All three, in the order in which they go from mild to final.
pub(super) fn all(view: &View<'_>, object: Object<'_>, at_us: i64, setting: &Setting) -> Vec<Offer> {
    vec![
        prevent_run(view, object, at_us, setting),
        quarantine(view, object, at_us, setting),
        taken(ActionKind::FileDelete, view, object, at_us, setting),
    ]
}

/// `file.prevent_run` of the content that a file held at a moment; of what it holds now where that was not known.
pub fn prevent_run(view: &View<'_>, object: Object<'_>, at_us: i64, setting: &Setting) -> Offer {
    let now = Whereabouts::of(view, object, at_us);
    let hash = if object.sha256.is_empty() { now.sha256 } else { object.sha256 };
    let label = if object.path.is_empty() { text::hex(hash) } else { object.label() };
    let params = if let Some(why) = untouchable(object) {
        Err(why)
    } else if hash.is_empty() {
        Err(Told::new(
            "no_hash",
            "content is named by its hash, and what it held is not known: it is no program, or was gone before it could be read",
        ))
    } else if setting.is_packaged(view, hash) {
        let text = "it has the content of a package's program: kept from running, that program would fail too; take away this file";
        Err(Told::new("packaged", text))
    } else {
        // A path where something else lies by now would have the order refused.
        let is_there = !is_nameless(object) && hash == now.sha256;
        let (path, path_hex) =
            if is_there { path_fields(now.path).unwrap_or_default() } else { (None, None) };
        made(&file::prevent_run::Params { sha256: Some(text::hex(hash)), sha1: None, path, path_hex })
    };
    let offer = Offer::made(ActionKind::FilePreventRun, label, params);
    let warning = system_warning(object, "kept from running").filter(|_| offer.refused.is_none());
    offer.warn(warning).on(setting.endpoint(&view.chain.endpoint))
}

/// `file.quarantine` of a file where it is now.
pub fn quarantine(view: &View<'_>, object: Object<'_>, at_us: i64, setting: &Setting) -> Offer {
    taken(ActionKind::FileQuarantine, view, object, at_us, setting)
}

fn taken(action: ActionKind, view: &View<'_>, object: Object<'_>, at_us: i64, setting: &Setting) -> Offer {
    let now = Whereabouts::of(view, object, at_us);
    let params = match (untouchable(object).or_else(|| unreachable(object)), path_fields(now.path)) {
        (Some(why), _) | (None, Err(why)) => Err(why),
        (None, Ok((path, path_hex))) => made(&file::quarantine::Params {
            path,
            path_hex,
            sha256: (!now.sha256.is_empty()).then(|| text::hex(now.sha256)),
            ..file::quarantine::Params::default()
        }),
    };
    let label = text::shown(now.path, text::NAME);
    let label = if label.is_empty() { object.label() } else { label };
    let word = if action == ActionKind::FileDelete { "deleted" } else { "moved away" };
    let mut offer = Offer::made(action, label, params);
    if offer.refused.is_none() {
        offer =
            offer
                .warn(system_warning(object, word))
                .warn(now.is_moved.then(|| {
                    Told::new("moved", format!("it was {} and got this name since", object.label()))
                }))
                .warn(now.is_changed.then(|| Told::new("changed", "it was written again since this event")))
                .warn(now.sha256.is_empty().then(|| {
                    Told::new("no_hash", "its hash is not known: whatever lies at this path is taken")
                }));
    }
    offer.on(setting.endpoint(&view.chain.endpoint))
}

fn made<T: serde::Serialize>(params: &T) -> Result<Value, Told> {
    serde_json::to_value(params).map_err(|error| Told::new("unfit", error.to_string()))
}

/// The pair `path`, `path_hex`: text where it is UTF-8.
fn path_fields(path: &[u8]) -> Result<(Option<String>, Option<String>), Told> {
    if path.is_empty() {
        return Err(Told::new("no_path", "where it lies is not known"));
    }
    if path.first() != Some(&b'/') || path.iter().any(u8::is_ascii_control) {
        return Err(Told::new(
            "path_unfit",
            "its path is not absolute, or has control characters: no order names such a file",
        ));
    }
    Ok(match str::from_utf8(path) {
        Ok(path) => (Some(path.to_owned()), None),
        Err(_) => (None, Some(text::hex(path))),
    })
}

fn is_nameless(object: Object<'_>) -> bool {
    object.kind == ObjectKind::Program && object.image.is_some_and(|image| image.nameless || image.in_memory)
}

fn untouchable(object: Object<'_>) -> Option<Told> {
    if system::is_own(object.path) {
        return Some(Told::new("protected", "it is this platform's own program"));
    }
    everybodys(object)
}

/// A program that was there for everybody is no way to stop whoever used it: the machine fails without it, and what it was told
/// comes with the next one.
fn everybodys(object: Object<'_>) -> Option<Told> {
    let is_system = object.kind != ObjectKind::Script && system::is_system_path(object.path);
    let is_interpreter = object.kind != ObjectKind::Script && system::is_interpreter(object.path);
    let package = text::shown(object.package().as_bytes(), text::NAME);
    let instead = if object.kind == ObjectKind::Program {
        "terminate the process, or act on the file that told it what to do"
    } else {
        "put back the package's own file"
    };
    if is_interpreter && (is_system || !package.is_empty()) {
        let of = if package.is_empty() { String::new() } else { format!(" of the package {package}") };
        let what = "what it did, it was told, and no file of its own holds that";
        return Some(Told::new(
            "interpreter",
            format!("it is an interpreter{of} that the system runs on; {what}: {instead}"),
        ));
    }
    (!package.is_empty()).then(|| {
        let why = "without it, everything on this endpoint that uses it fails";
        Told::new("packaged", format!("it belongs to the package {package}: {why}; {instead}"))
    })
}

fn unreachable(object: Object<'_>) -> Option<Told> {
    let image = object.image.filter(|_| object.kind == ObjectKind::Program);
    if image.is_some_and(|image| image.in_memory) {
        return Some(Told::new(
            "memory_only",
            "it was run from memory and lies in no directory: terminate the process",
        ));
    }
    if image.is_some_and(|image| image.nameless) {
        return Some(Told::new(
            "deleted",
            "it has no name in any directory any more: terminate the process, prevent its run",
        ));
    }
    let mode = object.file.map(|file| file.mode & TYPE).filter(|kind| *kind != 0 && *kind != REGULAR);
    mode.map(|_| {
        Told::new("not_a_file", "it is a directory, link, device or pipe: only regular files are taken")
    })
}

/// What may be the machine's own is never touched without being told so.
fn system_warning(object: Object<'_>, word: &str) -> Option<Told> {
    system::is_system_path(object.path).then(|| {
        Told::new(
            "system_path",
            format!("it lies among the system's own programs: {word}, other programs may fail"),
        )
    })
}
