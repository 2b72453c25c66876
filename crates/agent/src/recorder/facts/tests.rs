//! Whose a file is.

#![expect(clippy::unwrap_used, reason = "tests")]
use super::*;

#[test]
fn a_file_is_a_packages_only_with_the_content_that_it_brought() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("status", "Package: tool\nVersion: 1\n");
    write("info/tool.list", "/usr/bin/tool\n/etc/cron.daily/tool\n");
    write("info/tool.md5sums", "0cc175b9c0f1b6a831c399e269772661  usr/bin/tool\n");
    write("content", "a");
    let mut packages = Packages::new(dir.path().to_owned());
    let end = Instant::now() + Duration::from_secs(30);
    packages.renew();
    while !packages.is_ready() && Instant::now() < end {
        packages.renew();
        std::thread::yield_now();
    }
    let mut work = Work {
        shared: Arc::default(),
        known: HashMap::new(),
        packages,
        copies: Copies::default(),
        buffer: Vec::new(),
        tell: Box::new(|_| ()),
        scan: Box::new(|_| ()),
    };
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
