//! Paths that lie too deep for the kernel's programs, which walk so many names and no more: read anew from `/proc`, where the
//! process still lives. What cannot be read stays marked ([`super::raw::CUT`]).

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use super::raw::{CUT, Raw, What};
use crate::process::Proc;

/// Reads what is missing.
pub(super) fn complete(raw: &mut Raw) {
    let What::Executed(program) = &mut raw.what else { return };
    if !program.paths_cut {
        return;
    }
    // The directory is held open: should the pid change hands, it leads to nobody.
    let Ok(Some(proc)) = Proc::open(raw.process.pid) else { return };
    if !proc.row().is_ok_and(|row| row.is_some_and(|row| row.identity() == raw.process)) {
        return;
    }
    replace(&mut program.path, || proc.exe().map(|exe| exe.path));
    replace(&mut program.directory, || {
        proc.link("cwd").ok().map(|link| PathBuf::from(OsString::from_vec(link)))
    });
    program.paths_cut = is_cut(&program.path) || is_cut(&program.directory);
}

/// By the whole path, if it ends as what is known does: the process may have gone elsewhere meanwhile.
fn replace(known: &mut PathBuf, whole: impl FnOnce() -> Option<PathBuf>) {
    let Some(end) = known.as_os_str().as_bytes().strip_prefix(CUT.as_bytes()) else { return };
    let whole = whole().filter(|whole| whole.is_absolute() && whole.as_os_str().as_bytes().ends_with(end));
    if let Some(whole) = whole {
        *known = whole;
    }
}

fn is_cut(path: &Path) -> bool {
    path.as_os_str().as_bytes().starts_with(CUT.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_completed_by_one_that_ends_as_it_does() {
        let mut path = PathBuf::from("…/usr/bin/true");
        replace(&mut path, || Some("/srv/bin/true".into()));
        replace(&mut path, || None);
        assert!(is_cut(&path));
        replace(&mut path, || Some("/tmp/x/usr/bin/true".into()));
        assert_eq!(path, Path::new("/tmp/x/usr/bin/true"));
        replace(&mut path, || Some("/other/tmp/x/usr/bin/true".into()));
        assert_eq!(path, Path::new("/tmp/x/usr/bin/true"), "it was whole");
    }
}
