//! Whose a path is, by records of tests, by this machine's, and by what the real rpm writes.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use rustix::process::geteuid;

use super::*;

#[test]
fn a_file_is_its_packages_where_the_records_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("var/lib/dpkg");
    fs::create_dir_all(place.join("info")).unwrap();
    let write = |name: &str, text: &str| fs::write(place.join(name), text).unwrap();
    write(
        "status",
        "Package: dash\nStatus: install ok installed\nVersion: 0.5-1\n\nPackage: libx\nVersion: 2\n",
    );
    write("info/dash.list", "/.\n/bin\n/bin/dash\n/usr/share/doc/dash/copyright\n");
    write("info/dash.md5sums", "0cc175b9c0f1b6a831c399e269772661  bin/dash\n");
    write("info/libx:amd64.list", "/usr/lib/x/run\n");
    let packages = Index::read(dir.path());
    let owner = packages.owner(b"/usr/bin/dash").unwrap();
    let digest = Digest::md5(b"0cc175b9c0f1b6a831c399e269772661");
    assert_eq!((&*owner.package, owner.digest), ("dash 0.5-1", digest));
    assert!(digest.is_some());
    assert_eq!(packages.owner(b"/bin/dash").unwrap(), owner);
    let owner = packages.owner(b"/usr/lib/x/run").unwrap();
    assert_eq!((&*owner.package, owner.digest), ("libx 2", None));
    assert_eq!(packages.owner(b"/usr/bin/das"), None);
    assert_eq!(packages.owner(b"/usr/share/doc/dash/copyright"), None, "nothing that runs");
    assert_eq!(Index::read(&dir.path().join("none")).owner(b"/bin/dash"), None);
}

#[test]
fn the_index_of_this_machine_is_small() {
    let began = Instant::now();
    let index = Index::read(Path::new("/"));
    println!("{} paths in {:?}", index.paths.len(), began.elapsed());
    assert!(index.paths.capacity() * 10 < 3 << 20);
    let mut packages = Packages::default();
    packages.renew();
    assert!(!packages.is_ready() && !packages.is_other());
    wait(&mut packages);
    assert!(packages.is_other() && !packages.is_other());
}

/// A root in which the real rpm installs packages that it made.
pub struct Root(tempfile::TempDir);

impl Root {
    /// `None` with the reason told where that cannot be.
    pub fn new() -> Option<Self> {
        if ["rpm", "rpmbuild"].iter().any(|program| Command::new(program).arg("--version").output().is_err())
        {
            println!("skipped: rpm is not installed");
            return None;
        }
        if !geteuid().is_root() {
            println!("skipped: a root for rpm needs root");
            return None;
        }
        let root = Self(tempfile::tempdir().unwrap());
        fs::create_dir(root.path()).unwrap();
        Some(root)
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().join("root")
    }

    fn run(&self, program: &str, arguments: &[&OsStr]) {
        let mut command = Command::new(program);
        // Nobody's own macros count.
        command.args(arguments).env("HOME", self.0.path()).env("LC_ALL", "C");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Makes a package of one program and its settings.
    pub fn make(&self, name: &str, version: &str, digests: u32) -> PathBuf {
        let spec = format!(
            "Name: {name}\nEpoch: 2\nVersion: {version}\nRelease: 3\nSummary: s\nLicense: Apache-2.0\n\
             BuildArch: noarch\n%description\ntext\n%install\n\
             mkdir -p %{{buildroot}}/usr/bin %{{buildroot}}/etc %{{buildroot}}/usr/share/doc/{name}\n\
             echo '{name} {version}' > %{{buildroot}}/usr/bin/{name}\nchmod 755 %{{buildroot}}/usr/bin/{name}\n\
             ln -s {name} %{{buildroot}}/usr/bin/{name}-link\necho a=1 > %{{buildroot}}/etc/{name}.conf\n\
             echo words > %{{buildroot}}/usr/share/doc/{name}/README\n\
             %files\n/usr/bin/*\n%config /etc/{name}.conf\n/usr/share/doc/{name}\n%ghost /usr/lib/{name}.cache\n"
        );
        let top = self.0.path().join("build");
        let file = self.0.path().join("spec");
        fs::write(&file, spec).unwrap();
        let define =
            ["-bb".into(), "--quiet".into(), "--define".into(), format!("_topdir {}", top.display())];
        let kind = ["--define".into(), format!("_binary_filedigest_algorithm {digests}")];
        let arguments: Vec<String> = define.into_iter().chain(kind).collect();
        let mut arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        arguments.push(file.as_os_str());
        self.run("rpmbuild", &arguments);
        top.join(format!("RPMS/noarch/{name}-{version}-3.noarch.rpm"))
    }

    pub fn rpm(&self, what: &str, on: &Path) {
        let root = self.path();
        let plain = ["--dbpath", "/var/lib/rpm", "--nodeps", what, "--root"].map(OsStr::new);
        self.run("rpm", &[&plain[..], &[root.as_os_str(), on.as_os_str()]].concat());
    }

    /// What lies beside the database, with lengths and times.
    fn beside(&self) -> Vec<(String, u64, i64, i64)> {
        let entries = fs::read_dir(self.path().join("var/lib/rpm")).unwrap();
        let mut all: Vec<_> = entries
            .map(|entry| {
                let (entry, name) =
                    entry.map(|entry| (entry.metadata().unwrap(), entry.file_name())).unwrap();
                (name.into_string().unwrap(), entry.len(), entry.mtime(), entry.mtime_nsec())
            })
            .collect();
        all.sort();
        all
    }
}

/// Until all is known that there is.
pub fn wait(packages: &mut Packages) {
    packages.looked = None;
    packages.renew();
    let end = Instant::now() + Duration::from_secs(30);
    while !packages.is_ready() && Instant::now() < end {
        packages.renew();
        std::thread::yield_now();
    }
    assert!(packages.is_ready());
}

#[test]
fn what_rpm_installed_is_its_packages() {
    let Some(root) = Root::new() else { return };
    root.rpm("-i", &root.make("tool", "1", 8));
    root.rpm("-i", &root.make("other", "1", 1));
    let beside = root.beside();
    let mut packages = Packages::new(root.path());
    wait(&mut packages);
    assert!(packages.is_other());

    let owner = packages.owner(b"/usr/bin/tool").unwrap();
    // Of `tool 1` and a new line, by sha256sum(1) and md5sum(1).
    let sha256 = Digest::sha256(b"00273aafc3aa5871456482f4aeffc453c2d17ca24e309e347cf21a4125ac15bc");
    assert_eq!((&*owner.package, owner.digest), ("tool 2:1-3", sha256));
    assert!(sha256.is_some());
    assert_eq!(packages.owner(b"/bin/tool").unwrap(), owner, "of a merged system");
    let owner = packages.owner(b"/usr/bin/other").unwrap();
    let md5 = Digest::md5(b"074353b81f0821e8eb0457c74bd08687");
    assert_eq!((&*owner.package, owner.digest), ("other 2:1-3", md5));
    assert!(md5.is_some() && packages.owner(b"/etc/tool.conf").is_some());
    for none in
        ["/usr/bin/tool-link", "/usr/lib/tool.cache", "/usr/share/doc/tool/README", "/usr/bin/too", "/"]
    {
        assert_eq!(packages.owner(none.as_bytes()), None, "{none}");
    }
    assert_eq!(root.beside(), beside, "reading leaves nothing behind");

    root.rpm("-U", &root.make("tool", "2", 8));
    root.rpm("-e", Path::new("other"));
    wait(&mut packages);
    assert!(packages.is_other() && !packages.is_other());
    assert_eq!(&*packages.owner(b"/usr/bin/tool").unwrap().package, "tool 2:2-3");
    assert_eq!(packages.owner(b"/usr/bin/other"), None);
}

#[test]
fn what_rpm_gave_to_another_package_is_that_ones() {
    let Some(root) = Root::new() else { return };
    root.rpm("-i", &root.make("tool", "1", 8));
    // The same path with another content; both headers name it, and one says that it is replaced.
    let other = root.make("tool", "2", 8);
    let path = root.path();
    let forced = ["--dbpath", "/var/lib/rpm", "--nodeps", "--force", "-i", "--root"].map(OsStr::new);
    root.run("rpm", &[&forced[..], &[path.as_os_str(), other.as_os_str()]].concat());
    let mut packages = Packages::new(root.path());
    wait(&mut packages);
    assert_eq!(&*packages.owner(b"/usr/bin/tool").unwrap().package, "tool 2:2-3");
}

#[test]
fn records_that_others_may_write_to_or_that_are_none_own_nothing() {
    let Some(root) = Root::new() else { return };
    root.rpm("-i", &root.make("tool", "1", 8));
    let file = root.path().join("var/lib/rpm/rpmdb.sqlite");
    let is_known = || Index::read(&root.path()).owner(b"/usr/bin/tool").is_some();
    assert!(is_known());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(!is_known(), "anybody's word");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(is_known());
    let index = Index::read(&root.path());
    let whole = fs::read(&file).unwrap();
    for length in [0, 100, 4096, whole.len() / 2] {
        fs::write(&file, &whole[..length]).unwrap();
        assert_eq!(index.owner(b"/usr/bin/tool"), None, "cut after it was read, at {length}");
        assert!(!is_known(), "cut at {length}");
    }
}
