//! Writes the table of the console's files, from the folder into which the console is built.
//!
//! The files are copied first: the table then holds one state of the folder, whatever is built there meanwhile.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Files of the console, compressed ones included.
const MOST: usize = 4_000;
/// Bytes of one file.
const LARGEST: u64 = 8 << 20;
/// Bytes of all.
const ALL: u64 = 64 << 20;
/// Folders within folders.
const DEPTH: usize = 6;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let here = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let (dist, absent) = (here.join("../../console/dist"), here.join("absent"));
    // Cargo runs this again and again for a folder that is not there; an empty one it watches.
    let _ = fs::create_dir_all(&dist);
    println!("cargo::rerun-if-changed={}", dist.display());
    println!("cargo::rerun-if-changed={}", absent.display());
    println!("cargo::rerun-if-changed=build.rs");
    let from = if dist.join("index.html").is_file() { dist } else { absent };
    let mut found = Vec::new();
    collect(&from, "", DEPTH, &mut found)?;
    found.sort();
    let copies = out.join("files");
    let _ = fs::remove_dir_all(&copies);
    fs::create_dir_all(&copies)?;
    fs::write(out.join("files.rs"), table(&from, &copies, &found)?)?;
    Ok(())
}

/// The paths of all files, relative, with slashes.
fn collect(folder: &Path, prefix: &str, depth: usize, found: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|name| format!("{}: not a plain name", name.display()))?;
        let path = format!("{prefix}{name}");
        if name.starts_with('.') {
            continue;
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !name.bytes().all(plain) {
            return Err(format!("{path}: letters, digits, `.`, `_` and `-` only").into());
        }
        let kind = entry.file_type()?;
        if kind.is_dir() && depth > 0 {
            collect(&entry.path(), &format!("{path}/"), depth - 1, found)?;
        } else if !kind.is_file() {
            return Err(format!("{path}: neither a file nor a folder, or too deep").into());
        } else if extension(&path) != "map" {
            found.push(path);
        }
        if found.len() > MOST {
            return Err(format!("{}: more than {MOST} files", folder.display()).into());
        }
    }
    Ok(())
}

/// The table as Rust.
fn table(from: &Path, copies: &Path, found: &[String]) -> Result<String> {
    let mut text = String::from("/// Every file of the console.\npub const FILES: &[File] = &[\n");
    let mut all = 0;
    for (number, path) in found.iter().enumerate() {
        let compressed = path.strip_suffix(".gz").or_else(|| path.strip_suffix(".br"));
        if compressed.is_some_and(|plain| found.iter().any(|path| path == plain)) {
            continue;
        }
        let mut copy = |ending: &str| -> Result<Option<Vec<u8>>> {
            if !found.contains(&format!("{path}{ending}")) {
                return Ok(None);
            }
            let bytes = fs::read(from.join(format!("{path}{ending}")))?;
            all += bytes.len() as u64;
            if bytes.len() as u64 > LARGEST || all > ALL {
                return Err(format!("{path}{ending}: the console is larger than a binary should hold").into());
            }
            fs::write(copies.join(format!("{number}{ending}")), &bytes)?;
            Ok(Some(bytes))
        };
        let plain = copy("")?.unwrap_or_default();
        let mut embedded = |ending: &str| -> Result<String> {
            // The index is written anew for each answer.
            let is_smaller =
                path != "index.html" && copy(ending)?.is_some_and(|bytes| bytes.len() < plain.len());
            Ok(if is_smaller { format!("Some({})", included(number, ending)) } else { "None".to_owned() })
        };
        let (gzip, brotli) = (embedded(".gz")?, embedded(".br")?);
        writeln!(
            text,
            "    File {{ path: {path:?}, media_type: {:?}, tag: \"{:032x}\", plain: {}, gzip: {gzip}, brotli: {brotli} }},",
            media_type(path),
            tag(&plain),
            included(number, ""),
        )?;
    }
    text.push_str("];\n");
    Ok(text)
}

/// A copy, as the table names it.
fn included(number: usize, ending: &str) -> String {
    format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/files/{number}{ending}\"))")
}

fn extension(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(_, extension)| extension)
}

fn media_type(path: &str) -> &'static str {
    match extension(path) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// FNV-1a of 128 bits (draft-eastlake-fnv): tells one build from another. Nobody's secret hangs on it, and the
/// standard library has no digest.
fn tag(bytes: &[u8]) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    bytes.iter().fold(OFFSET, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}
