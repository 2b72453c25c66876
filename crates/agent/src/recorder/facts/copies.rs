//! Whether a file that no package owns has the content of one that does: a copy of a shell under another name. To forbid such
//! content would forbid the package's program too.
//!
//! The programs of the system's directories are known by their sizes; only those of the very size are compared, by hash.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where packages put programs that people call.
const PLACES: [&str; 4] = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];
/// Programs that are held.
const MOST: usize = 20_000;
/// Programs of one size that are compared with a file.
const COMPARED: usize = 8;

/// Programs by their size. Made when it is asked first: a few milliseconds for some thousand programs.
#[derive(Debug, Default)]
pub struct Copies {
    programs: Option<Vec<(u64, Box<Path>)>>,
}

impl Copies {
    /// Those of one place alone.
    #[cfg(test)]
    pub fn at(place: &Path) -> Self {
        Self { programs: Some(read(&[place])) }
    }

    /// What is known is known no more: packages changed.
    pub fn forget(&mut self) {
        self.programs = None;
    }

    /// Programs of this size, a few at most.
    pub fn of_size(&mut self, size: u64) -> Vec<PathBuf> {
        let programs = self.programs.get_or_insert_with(|| read(&PLACES.map(Path::new)));
        let from = programs.partition_point(|(known, _)| *known < size);
        let same = programs.iter().skip(from).take_while(|(known, _)| *known == size);
        same.take(COMPARED).map(|(_, path)| path.to_path_buf()).collect()
    }
}

fn read(places: &[&Path]) -> Vec<(u64, Box<Path>)> {
    // On a merged system two of them are links to the others.
    let places = places.iter().filter(|place| fs::symlink_metadata(place).is_ok_and(|facts| facts.is_dir()));
    let entries = places.filter_map(|place| fs::read_dir(place).ok()).flatten().flatten();
    let programs = entries.filter_map(|entry| {
        let facts = entry.metadata().ok().filter(|facts| facts.is_file() && facts.mode() & 0o111 != 0)?;
        Some((facts.len(), entry.path().into_boxed_path()))
    });
    let mut programs: Vec<_> = programs.take(MOST).collect();
    programs.sort_unstable();
    programs
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn programs_are_found_by_their_size() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("bin");
        fs::create_dir(&place).unwrap();
        for (name, content, mode) in [("a", "abc", 0o755), ("b", "xyz", 0o755), ("text", "123", 0o644)] {
            fs::write(place.join(name), content).unwrap();
            fs::set_permissions(place.join(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        symlink(place.join("a"), place.join("link")).unwrap();
        symlink(&place, dir.path().join("sbin")).unwrap();
        let mut copies = Copies { programs: Some(read(&[&place, &dir.path().join("sbin")])) };
        assert_eq!(
            copies.of_size(3),
            [place.join("a"), place.join("b")],
            "no link, nothing that does not run"
        );
        assert_eq!(copies.of_size(4), Vec::<PathBuf>::new());
        copies.forget();
        let size = fs::metadata("/bin/sh").unwrap().len();
        assert!(!copies.of_size(size).is_empty(), "this machine has a shell");
    }
}
