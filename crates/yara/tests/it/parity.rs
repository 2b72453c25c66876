//! Beside Debian's `yara`: the same rules on the same files find the same strings at the same places.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use quell_yara::{Externals, Limits, Rules, ScanLimits};

use super::corpus;

/// One line for each match of a rule, and one for each match of a string: `rule`, `rule:$id:offset:length`.
type Lines = BTreeSet<String>;

fn yara() -> Option<String> {
    let version = Command::new("yara").arg("--version").output().ok()?;
    Some(String::from_utf8(version.stdout).unwrap().trim().to_owned())
}

/// By file name. `place` is a file, or a directory whose files are looked at.
fn theirs(rules: &Path, place: &Path) -> Result<BTreeMap<String, Lines>, String> {
    let output = Command::new("yara")
        .args(["-w", "-s", "-L", "--threads=1", "--max-strings-per-rule=20000"])
        .args(["-d", "filename=mixed.bin", "-d", "filepath=/tmp/noise", "-d", "extension=.bin"])
        .args(["-d", "filetype=", "-d", "owner="])
        .args([rules, place])
        .output()
        .unwrap();
    if !output.status.success() || !output.stderr.is_empty() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let mut files: BTreeMap<String, Lines> = BTreeMap::new();
    let (mut file, mut rule) = (String::new(), String::new());
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if let Some(string) = line.strip_prefix("0x") {
            // `0x10:4:$a: text`, and for xor `0x10:4:xor(0x01,…):$a: text`.
            let mut parts = string.splitn(3, ':');
            let offset = u64::from_str_radix(parts.next().unwrap(), 16).unwrap();
            let length: u64 = parts.next().unwrap().parse().unwrap();
            let id = parts.next().unwrap().split(": ").next().unwrap().rsplit('$').next().unwrap();
            files.entry(file.clone()).or_default().insert(format!("{rule}:${id}:{offset}:{length}"));
        } else {
            let (name, path) = line.split_once(' ').unwrap();
            name.clone_into(&mut rule);
            path.rsplit('/').next().unwrap().clone_into(&mut file);
            files.entry(file.clone()).or_default().insert(rule.clone());
        }
    }
    Ok(files)
}

fn ours(rules: &mut Rules, file: &Path) -> Lines {
    let bytes = std::fs::read(file).unwrap();
    let limits = ScanLimits { per_string: 1_000_000, in_all: 10_000_000, ..ScanLimits::default() };
    let text = str::to_owned;
    let externals =
        Externals { filename: text("mixed.bin"), filepath: text("/tmp/noise"), extension: text(".bin") };
    let scan = rules.scan(&bytes, &externals, &limits);
    assert_eq!(scan.stopped, None);
    let mut lines = Lines::new();
    for found in scan.matches {
        lines.insert(found.rule.clone());
        for string in found.strings {
            lines.insert(format!(
                "{}:${}:{}:{}",
                found.rule,
                string.id,
                string.offset,
                string.length.min(SHOWN)
            ));
        }
    }
    lines
}

/// The command line tells no more bytes than it keeps (MAX_MATCH_DATA of YARA 4.2).
const SHOWN: u64 = 512;

struct Tally {
    rules: usize,
    compared: usize,
    lines: usize,
}

/// Compares rule by rule, so that a difference names its rule.
fn compare(dir: &Path, sources: &[(&str, String)], files: &[PathBuf]) -> (Tally, Vec<String>) {
    let (mut tally, mut differences) = (Tally { rules: 0, compared: 0, lines: 0 }, Vec::new());
    for (index, (name, source)) in sources.iter().enumerate() {
        let path = dir.join(format!("rules{index}.yar"));
        std::fs::write(&path, source).unwrap();
        tally.rules += 1;
        let (mut mine, other) =
            match (Rules::compile(source, &Limits::default()), theirs(&path, &dir.join("files"))) {
                (Ok(mine), Ok(other)) => (mine, other),
                // Both refuse: the same.
                (Err(_), Err(_)) => continue,
                (Err(mine), Ok(_)) => {
                    differences.push(format!("{name}: refused here: {mine}"));
                    continue;
                }
                (Ok(_), Err(other)) => {
                    differences.push(format!("{name}: refused by yara: {}", other.trim()));
                    continue;
                }
            };
        for file in files {
            let called = file.file_name().unwrap().to_str().unwrap();
            let (mine, other) = (ours(&mut mine, file), other.get(called).cloned().unwrap_or_default());
            tally.compared += 1;
            tally.lines += other.len();
            if mine != other {
                let only =
                    |a: &Lines, b: &Lines| a.difference(b).take(5).cloned().collect::<Vec<_>>().join(" ");
                let (a, b) = (only(&mine, &other), only(&other, &mine));
                differences.push(format!("{name} on {called}: only ours [{a}], only yara [{b}]"));
            }
        }
    }
    (tally, differences)
}

#[test]
fn the_same_is_found_as_by_debians_yara() {
    let Some(version) = yara() else {
        println!("skipped: yara is not installed (package yara)");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("files");
    std::fs::create_dir(&place).unwrap();
    let files = corpus::files(&place);
    let sources = corpus::sources();
    let (tally, differences) = compare(dir.path(), &sources, &files);
    println!(
        "beside yara {version}: {} sources, {} comparisons, {} lines of matches, {} known differences",
        tally.rules,
        tally.compared,
        tally.lines,
        differences.iter().filter(|text| known(text)).count()
    );
    let unknown: Vec<_> = differences.into_iter().filter(|text| !known(text)).collect();
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}

/// Differences that `docs/yara.md` names.
fn known(text: &str) -> bool {
    corpus::KNOWN.iter().any(|name| text.starts_with(name))
}

/// What later versions of YARA understand, and 4.2 does not.
#[test]
fn newer_syntax_is_understood() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"aab plain ac").unwrap();
    for (name, source) in corpus::NEWER {
        let mut rules =
            Rules::compile(source, &Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(ours(&mut rules, file.path()).contains("r"), "{name}");
    }
}

#[test]
fn both_refuse_the_same() {
    if yara().is_none() {
        println!("skipped: yara is not installed (package yara)");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, b"text").unwrap();
    let mut differences = Vec::new();
    for (index, source) in corpus::BAD.iter().enumerate() {
        let path = dir.path().join(format!("bad{index}.yar"));
        std::fs::write(&path, source).unwrap();
        match (Rules::compile(source, &Limits::default()), theirs(&path, &file)) {
            (Err(mine), Err(other)) => {
                let line =
                    other.split("): ").next().unwrap_or_default().rsplit('(').next().unwrap_or_default();
                println!("{source}: line {} here, {line} there: {}", mine.line, mine.message);
            }
            (mine, other) => differences.push(format!("{source}: {mine:?} here, {other:?} there")),
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Speed on one file of `BYTES`, with rules as people write them. Both in one run, each its best of three.
#[test]
fn speed_beside_debians_yara() {
    const BYTES: usize = 48 << 20;
    if yara().is_none() {
        println!("skipped: yara is not installed (package yara)");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("large.bin");
    std::fs::write(&file, corpus::mixture(BYTES)).unwrap();
    let empty = dir.path().join("empty.bin");
    std::fs::write(&empty, b"").unwrap();
    for (name, source) in [
        ("200 text rules", corpus::many_texts(200)),
        ("2000 text rules", corpus::many_texts(2000)),
        ("100 regular expressions and hex strings", corpus::many_patterns(100)),
    ] {
        let path = dir.path().join("speed.yar");
        std::fs::write(&path, &source).unwrap();
        let mut rules = Rules::compile(&source, &Limits::default()).unwrap();
        let (mut mine, mut other) = (Duration::MAX, Duration::MAX);
        let (mut found_mine, mut found_other) = (Lines::new(), Lines::new());
        for _ in 0..3 {
            let begun = Instant::now();
            found_mine = ours(&mut rules, &file);
            mine = mine.min(begun.elapsed());
            let begun = Instant::now();
            found_other = theirs(&path, &file).unwrap().remove("large.bin").unwrap();
            let all = begun.elapsed();
            // Its start and its compiler do not count; ours do not either.
            let begun = Instant::now();
            theirs(&path, &empty).unwrap();
            other = other.min(all.saturating_sub(begun.elapsed()));
        }
        let mut note = String::new();
        if found_mine != found_other {
            let _ = write!(note, " (differs: {} and {})", found_mine.len(), found_other.len());
        }
        let rate = |took: Duration| BYTES as f64 / 1e6 / took.as_secs_f64();
        println!(
            "{name}: {:.0} MB/s here, {:.0} MB/s by yara: ratio {:.2}{note}",
            rate(mine),
            rate(other),
            other.as_secs_f64() / mine.as_secs_f64()
        );
        assert!(note.is_empty(), "{name}{note}");
    }
}
