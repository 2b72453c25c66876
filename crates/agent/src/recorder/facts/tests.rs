//! Whose a file is.

#![expect(clippy::unwrap_used, reason = "tests")]

mod names;

use super::packages::tests::{Root, wait};
use super::*;

fn work(root: &Path) -> Work {
    let mut packages = Packages::new(root.to_owned());
    wait(&mut packages);
    Work {
        shared: Arc::default(),
        known: HashMap::new(),
        packages,
        copies: Copies::default(),
        buffer: Vec::new(),
        tell: Box::new(|_| ()),
        scan: Box::new(|_| ()),
    }
}

#[test]
fn a_file_is_a_packages_only_with_the_content_that_it_brought() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("var/lib/dpkg/status", "Package: tool\nVersion: 1\n");
    write("var/lib/dpkg/info/tool.list", "/usr/bin/tool\n/etc/cron.daily/tool\n");
    write("var/lib/dpkg/info/tool.md5sums", "0cc175b9c0f1b6a831c399e269772661  usr/bin/tool\n");
    write("content", "a");
    let mut work = work(dir.path());
    let mut package = |name: &[u8]| {
        let file = File::open(dir.path().join("content")).unwrap();
        let key = Key::of(&file).unwrap();
        work.learn(&file, key, Some(name)).unwrap().package.to_string()
    };
    assert_eq!(package(b"/usr/bin/tool"), "tool 1");
    assert_eq!(package(b"/etc/cron.daily/tool"), "", "dpkg keeps no digest of what people may change");
    assert_eq!(package(b"/tmp/tool"), "");
    std::fs::write(dir.path().join("content"), "b").unwrap();
    let file = File::open(dir.path().join("content")).unwrap();
    let key = Key::of(&file).unwrap();
    assert_eq!(&*work.learn(&file, key, Some(b"/usr/bin/tool")).unwrap().package, "");
}

#[test]
fn content_is_rpms_by_the_digest_that_the_package_keeps() {
    let Some(root) = Root::new() else { return };
    root.rpm("-i", &root.make("today", "1", 8));
    root.rpm("-i", &root.make("older", "1", 1));
    root.rpm("-i", &root.make("strange", "1", 10));
    let mut work = work(&root.path());
    let mut package = |name: &str| {
        let file = File::open(root.path().join(name)).unwrap();
        let key = Key::of(&file).unwrap();
        work.learn(&file, key, Some(format!("/{name}").as_bytes())).unwrap().package.to_string()
    };
    assert_eq!(package("usr/bin/today"), "today 2:1-3", "SHA-256");
    assert_eq!(package("usr/bin/older"), "older 2:1-3", "MD5");
    assert_eq!(package("usr/bin/strange"), "", "a digest that is not computed");
    assert_eq!(package("etc/today.conf"), "today 2:1-3", "settings that nobody changed");
    for changed in ["usr/bin/today", "usr/bin/older", "etc/today.conf"] {
        std::fs::write(root.path().join(changed), "another").unwrap();
        assert_eq!(package(changed), "", "{changed}");
    }
}
