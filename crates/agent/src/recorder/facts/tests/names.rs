//! Files of packages under other names, and copies of them.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use quell_wire::activity::{Deed, FileDeed, ProcessKey};

use super::*;

/// A package's program at `/usr/bin/tool`, as the records say; it lies in a directory of the test.
fn world() -> (tempfile::TempDir, Work) {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("var/lib/dpkg/status", "Package: tool\nVersion: 1\n"),
        ("var/lib/dpkg/info/tool.list", "/usr/bin/tool\n/usr/bin/tool-1\n/usr/bin/changed\n"),
        (
            "var/lib/dpkg/info/tool.md5sums",
            "0cc175b9c0f1b6a831c399e269772661  usr/bin/tool\n0cc175b9c0f1b6a831c399e269772661  usr/bin/tool-1\n\
             00000000000000000000000000000000  usr/bin/changed\n",
        ),
        ("bin/tool", "a"),
        ("copy", "a"),
    ] {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
    let work = work(dir.path());
    (dir, work)
}

/// The file, once a change of it would show.
fn settled(path: &Path) -> File {
    let file = File::open(path).unwrap();
    while !Key::of(&file).unwrap().is_settled() {
        std::thread::yield_now();
    }
    file
}

#[test]
fn a_packages_file_under_another_name_is_no_packages_and_a_copy_of_it() {
    let (dir, mut work) = world();
    std::fs::hard_link(dir.path().join("bin/tool"), dir.path().join("link")).unwrap();
    let file = settled(&dir.path().join("link"));
    let mut told = |name: Option<&str>| {
        let (_, read) = work.look(&file, name.map(str::as_bytes)).unwrap();
        (read.package.to_string(), read.copy_of.to_string())
    };
    let (own, copy) = (("tool 1".to_owned(), String::new()), (String::new(), "tool 1".to_owned()));
    assert_eq!(told(Some("/tmp/first")), (String::new(), String::new()), "nobody knows it yet");
    assert_eq!(told(Some("/usr/bin/tool")), own);
    for name in [Some("/tmp/link"), None, Some("/usr/bin/other"), Some("/tmp/link")] {
        assert_eq!(told(name), copy, "{name:?}");
    }
    assert_eq!(told(Some("/usr/bin/tool")), own);
    assert_eq!(told(Some("/usr/bin/changed")), copy, "it is not what was brought there");
    for _ in 0..2 {
        assert_eq!(told(Some("/usr/bin/tool-1")), own, "two names of the package's own");
    }
    assert_eq!(work.known.values().map(|known| known.others.len()).collect::<Vec<_>>(), [1]);
    let item = Arc::new(Item {
        id: 1,
        at_us: 1,
        key: ProcessKey { pid: 1, start: 1 },
        what: What::File(Deed::FileRename(FileDeed::default()), Arc::default()),
    });
    let path = dir.path().join("link").into_os_string().into_encoded_bytes();
    work.file(&item, path, digest::inode(&file).unwrap(), None);
    assert_eq!(&*item.late().unwrap().get().unwrap().copy_of, "tool 1");
}

#[test]
fn programs_of_packages_are_read_once_for_all_their_copies_and_again_when_they_change() {
    let (dir, mut work) = world();
    let tool = dir.path().join("bin/tool");
    let copy = settled(&dir.path().join("copy"));
    let copy = read(&copy, &Key::of(&copy).unwrap(), false, &mut Vec::new()).unwrap();
    settled(&tool);
    let mut original = |name: &str| {
        work.copies = Copies::at(&dir.path().join("bin"));
        // Where it lies is not where the package has it.
        let path = work.copies.of_size(1).pop();
        let file = path.as_deref().and_then(open).unwrap();
        let packaged = work.packaged(&file, name.as_bytes());
        (packaged.map(|read| read.package.to_string()), work.original(&copy).to_string())
    };
    assert_eq!(original("/tmp/tool"), (None, String::new()));
    let tool_1 = (Some("tool 1".to_owned()), "tool 1".to_owned());
    assert_eq!(original("/usr/bin/tool"), tool_1);
    assert_eq!(original("/no/name/of/it"), tool_1, "it is remembered");
    std::fs::write(&tool, "b").unwrap();
    assert_eq!(original("/usr/bin/tool"), (None, String::new()), "it is another");
}
