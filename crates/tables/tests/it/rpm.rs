//! What the real rpm says of a root in which it installed something.

use std::path::Path;
use std::process::Command;

use quell_tables::{Env, Session};

use crate::{LIMITS, text, try_ask};

const SPEC: &str = "Name: quell-it\nEpoch: 1\nVersion: 2.5~rc1\nRelease: 7\nSummary: s\nLicense: Apache-2.0\n\
    Group: Tests\nVendor: Nobody\nBuildArch: noarch\n%description\ntext\n%install\nmkdir -p %{buildroot}/opt\n\
    echo 12345 > %{buildroot}/opt/quell-it\n%files\n/opt/quell-it\n";

fn run(program: &str, home: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).env("HOME", home).env("LC_ALL", "C").output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn packages_are_those_of_rpm() {
    if ["rpm", "rpmbuild"].iter().any(|program| Command::new(program).arg("--version").output().is_err()) {
        println!("skipped: rpm is not installed");
        return;
    }
    let space = tempfile::tempdir().unwrap();
    let home = space.path();
    let shown = |part: &str| home.join(part).display().to_string();
    std::fs::write(home.join("spec"), SPEC).unwrap();
    let top = format!("_topdir {}", shown("build"));
    run("rpmbuild", home, &["-bb", "--quiet", "--define", &top, &shown("spec")]);
    // The records alone: that needs no rights.
    let records = shown("root/var/lib/rpm");
    std::fs::create_dir_all(&records).unwrap();
    let package = shown("build/RPMS/noarch/quell-it-2.5~rc1-7.noarch.rpm");
    run("rpm", home, &["--dbpath", &records, "-i", "--justdb", "--nodeps", &package]);
    let format = "%{NAME}|%{VERSION}|%{RELEASE}|%{SOURCERPM}|%{SIZE}|%{SHA1HEADER}|%{ARCH}|%{EPOCH}|%{INSTALLTIME}\
        |%{VENDOR}|%{GROUP}\n";
    let said = run("rpm", home, &["--dbpath", &records, "-qa", "--qf", format]);
    assert!(said.starts_with("quell-it|2.5~rc1|7|"), "{said}");

    let session = Session::open(Env::at(home.join("root")), LIMITS).unwrap();
    let answer = try_ask(
        &session,
        "SELECT name, version, release, source, size, sha1, arch, epoch, install_time, vendor, package_group
         FROM rpm_packages",
    );
    let answer = answer.unwrap();
    assert_eq!(answer.summary.troubles, 0, "{:?}", answer.summary.warnings);
    let rows: Vec<String> =
        answer.rows.iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join("|")).collect();
    assert_eq!(rows, said.lines().collect::<Vec<_>>());
}
