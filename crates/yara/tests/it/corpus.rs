//! Rules and files of our own, one rule for each feature of the language.

use std::path::{Path, PathBuf};

/// Where the engine is known to differ; `docs/yara.md` says how.
pub const KNOWN: &[&str] = &[
    // Where one alternative begins as another, the length told may be that of the other.
    "regex alternative prefix",
    // YARA 4.2.3 finds `none` although one value fits.
    "for none on pe.bin",
    // Out of use; in a directory YARA 4.2.3 keeps that of the file before.
    "entrypoint on",
];

/// Each matches `aab plain ac`.
pub const NEWER: &[(&str, &str)] = &[
    ("hex not", "rule r { strings: $a = { 61 ~61 } condition: $a }"),
    ("hex not nibble", "rule r { strings: $a = { 61 61 ~7? } condition: $a }"),
    ("of at", "rule r { strings: $a = \"aab\" condition: any of them at 0 }"),
    ("unreferenced string", "rule r { strings: $_a = \"zzz\" $b = \"plain\" condition: $b }"),
];

/// Bytes that look random and are always the same.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&step().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Text, code and noise in turn, as a disk has them.
pub fn mixture(length: usize) -> Vec<u8> {
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let text = b"The quick brown fox jumps over the lazy dog; user=admin password=hunter2 GET /index.html HTTP/1.1\r\n";
    let mut bytes = Vec::with_capacity(length + (1 << 20));
    let mut turn = 0;
    while bytes.len() < length {
        match turn % 3 {
            0 => bytes.extend(text.iter().cycle().take(256 << 10)),
            1 => bytes.extend(program.iter().cycle().skip(turn * 4096).take(256 << 10)),
            _ => bytes.extend(noise(turn as u64 + 7, 256 << 10)),
        }
        turn += 1;
    }
    bytes.truncate(length);
    bytes[length / 2..length / 2 + 9].copy_from_slice(b"marker_17");
    bytes
}

pub fn many_texts(count: usize) -> String {
    let rule = |n: usize| {
        format!(
            "rule text{n} {{ strings: $a = \"marker_{n}\" $b = \"Software\\\\Vendor{n}\\\\Run\" wide nocase $c = \"connect-back-{n}.example\" condition: any of them }}\n"
        )
    };
    (0..count).map(rule).collect()
}

pub fn many_patterns(count: usize) -> String {
    let rule = |n: usize| {
        format!(
            "rule pattern{n} {{ strings: $a = /marker_{n}[0-9a-f]{{8,16}}(x|yz)+end/ $b = {{ 4D 5A {:02X} ?? [2-8] {:02X} ( 50 45 | 4E 45 ) }} $c = /https?:\\/\\/[a-z0-9.]{{4,20}}\\.evil{n}\\.example/ condition: any of them }}\n",
            n % 256,
            (n * 7) % 256
        )
    };
    (0..count).map(rule).collect()
}

/// The smallest ELF that has sections of interest is a real one: this program's first megabyte and a system tool.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let wide: Vec<u8> = b"wide secret text".iter().flat_map(|byte| [*byte, 0]).collect();
    let xored: Vec<u8> = b"xor secret text".iter().map(|byte| byte ^ 0x21).collect();
    let xored_wide: Vec<u8> = b"xor secret text".iter().flat_map(|byte| [*byte ^ 0x07, 0x07]).collect();
    let mut mixed = b"plain secret text and PLAIN SECRET TEXT; notsecret secret_not secret. abc-abc abcabcabc \x00\x01\x02\xff\xfe".to_vec();
    mixed.extend(&wide);
    mixed.extend(b"--");
    mixed.extend(&xored);
    mixed.extend(b"\0\0");
    mixed.extend(&xored_wide);
    // "This program cannot" in base64, at three alignments.
    mixed.extend(b" VGhpcyBwcm9ncmFtIGNhbm5vdA== aVRoaXMgcHJvZ3JhbSBjYW5ub3Q= aWlUaGlzIHByb2dyYW0gY2Fubm90 ");
    mixed.extend(
        b"MZ\x90\x00\x03\x00PE\x00\x00 aaaa aab ab b https://host.evil7.example/x?y=1 1.2.3.4 deadbeef\n",
    );
    mixed.extend(b"line one\nline two\r\nlast line");
    let tool = std::fs::read("/bin/true").unwrap_or_default();
    let list: [(&str, Vec<u8>); 9] = [
        ("empty.bin", Vec::new()),
        ("one.bin", b"a".to_vec()),
        ("mixed.bin", mixed.clone()),
        ("many.bin", b"abcabcab ".repeat(300)),
        ("zeros.bin", vec![0; 5000]),
        ("noise.bin", noise(42, 200_000)),
        ("elf.bin", tool),
        ("pe.bin", pe()),
        ("words.bin", [mixed, noise(7, 30_000), b"the end".to_vec()].concat()),
    ];
    list.into_iter()
        .map(|(name, bytes)| {
            let path = dir.join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        })
        .collect()
}

/// A small 32-bit Windows program, put together by hand: headers, one section, no imports.
fn pe() -> Vec<u8> {
    let mut bytes = vec![0u8; 0x400];
    bytes[..2].copy_from_slice(b"MZ");
    bytes[0x3c] = 0x80;
    bytes[0x80..0x84].copy_from_slice(b"PE\0\0");
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0x84, &0x14cu16.to_le_bytes());
    put(0x86, &1u16.to_le_bytes());
    put(0x88, &0x5f00_0000u32.to_le_bytes());
    put(0x94, &0xe0u16.to_le_bytes());
    put(0x96, &0x0102u16.to_le_bytes());
    put(0x98, &0x10bu16.to_le_bytes());
    put(0xa8, &0x1000u32.to_le_bytes());
    put(0xb4, &0x0040_0000u32.to_le_bytes());
    put(0xb8, &0x1000u32.to_le_bytes());
    put(0xbc, &0x200u32.to_le_bytes());
    put(0xd0, &0x2000u32.to_le_bytes());
    put(0xd4, &0x200u32.to_le_bytes());
    put(0xdc, &3u16.to_le_bytes());
    put(0xf4, &16u32.to_le_bytes());
    put(0x178, b".text\0\0\0");
    put(0x180, &0x10u32.to_le_bytes());
    put(0x184, &0x1000u32.to_le_bytes());
    put(0x188, &0x200u32.to_le_bytes());
    put(0x18c, &0x200u32.to_le_bytes());
    put(0x19c, &0x6000_0020u32.to_le_bytes());
    put(0x200, b"\xc3\x90\x90 secret inside");
    bytes
}

/// Source that nobody compiles.
pub const BAD: &[&str] = &[
    "rule a { strings: $a = \"x\" condition: $b }",
    "rule a { strings: $a = \"xx\" condition: true }\nrule a { condition: true }",
    "rule a { strings: $a = \"xx\" condition: true",
    "rule a { strings: $a = /a(/ condition: $a }",
    "rule a { strings: $a = { 4G } condition: $a }",
    "rule a { strings: $a = { [2] 61 } condition: $a }",
    "rule a { strings: $a = { 61 [5-2] 62 } condition: $a }",
    "rule a { strings: $a = \"x\" xor nocase condition: $a }",
    "rule a { strings: $a = \"xyz\" base64 nocase condition: $a }",
    "rule a { condition: \"a\" + 1 == 2 }",
    "rule a { condition: unknown > 1 }",
    "import \"nosuch\"\nrule a { condition: true }",
    "rule a { condition: pe.is_pe }",
    "rule a : t t { condition: true }",
    "rule a { strings: $a = \"x\" $a = \"y\" condition: any of them }",
    "rule a { condition: for any i in (1..2) : ( i }",
    "rule a { strings: $a = \"abc\" xor(9-3) condition: $a }",
    "rule a { strings: $a = \"\\q\" condition: $a }",
    "rule a { condition: 9223372036854775808 }",
    "rule a { condition: b }",
    "include \"/nonexistent\"\nrule a { condition: true }",
];

/// A rule for each feature; `$` strings and a condition, in the shortest form that shows it.
pub fn sources() -> Vec<(&'static str, String)> {
    let rule = |strings: &str, condition: &str| {
        let strings = if strings.is_empty() { String::new() } else { format!("strings: {strings}") };
        format!("rule r {{ {strings} condition: {condition} }}")
    };
    let mut all: Vec<(&'static str, String)> =
        STRINGS.iter().map(|(name, text)| (*name, rule(&format!("$a = {text}"), "$a"))).collect();
    all.extend(CONDITIONS.iter().map(|(name, strings, condition)| (*name, rule(strings, condition))));
    all.extend(
        MODULES.iter().map(|(name, module, condition)| {
            (*name, format!("import \"{module}\"\n{}", rule("", condition)))
        }),
    );
    all.extend(WHOLE.iter().map(|(name, source)| (*name, (*source).to_owned())));
    all
}

const STRINGS: &[(&str, &str)] = &[
    ("text", "\"secret\""),
    ("text nocase", "\"secret\" nocase"),
    ("text escape", r#""\x00\x01\x02\xff""#),
    ("text quote", r#""a\tb\n\"c\\""#),
    ("text wide", "\"secret\" wide"),
    ("text wide ascii", "\"secret\" wide ascii"),
    ("text wide nocase", "\"SECRET\" wide nocase"),
    ("text fullword", "\"secret\" fullword"),
    ("text fullword nocase", "\"secret\" nocase fullword"),
    ("text wide fullword", "\"secret\" wide fullword"),
    ("text wide ascii fullword", "\"secret\" wide ascii fullword"),
    ("text private", "\"secret\" private"),
    ("text xor", "\"xor secret\" xor"),
    ("text xor range", "\"xor secret\" xor(0x01-0x30)"),
    ("text xor one", "\"xor secret\" xor(0x21)"),
    ("text xor wide", "\"xor secret\" xor wide"),
    ("text xor wide ascii", "\"xor secret\" xor wide ascii"),
    ("text xor fullword", "\"xor secret text\" xor fullword"),
    ("text base64", "\"This program cannot\" base64"),
    (
        "text base64 alphabet",
        "\"This program cannot\" base64(\"!@#$%^&*(){}[].,|ABCDEFGHIJ\\x09LMNOPQRSTUVWXYZabcdefghijklmnopqrstu\")",
    ),
    ("text base64wide", "\"This program cannot\" base64wide"),
    ("text overlapping", "\"aa\""),
    ("text one byte", "\"b\""),
    ("text repeated", "\"abcabc\""),
    ("text zero", r#""\x00\x00\x00\x00""#),
    ("hex", "{ 4D 5A 90 00 }"),
    ("hex wildcard", "{ 4D ?? 90 ?? 03 }"),
    ("hex nibble", "{ 4? ?A 9? }"),
    ("hex jump", "{ 4D 5A [2-6] 50 45 }"),
    ("hex jump fixed", "{ 4D 5A [4] 50 45 }"),
    ("hex jump zero", "{ 4D [0-3] 90 }"),
    ("hex jump open", "{ 4D 5A [2-] 64 65 61 64 }"),
    ("hex jump all", "{ 4D 5A [-] 62 65 65 66 }"),
    ("hex alternative", "{ 61 62 ( 63 61 | 20 ) }"),
    ("hex alternative nested", "{ 61 ( 62 | 61 ( 62 | 61 ) ) [0-2] ( 20 | 61 ) }"),
    ("hex alternative wildcard", "{ 61 ( ?2 63 | 62 2? ) }"),
    ("hex comment", "{ 4D 5A /* between */ 90 // end\n 00 }"),
    ("hex private", "{ 61 62 63 } private"),
    ("regex", "/secret [a-z]+/"),
    ("regex nocase", "/SECRET [a-z]+/i"),
    ("regex dotall", "/one.line/s"),
    ("regex no dotall", "/one.line/"),
    ("regex modifiers", "/secret [a-z]+/ nocase wide ascii"),
    ("regex fullword", "/sec[a-z]+/ fullword"),
    ("regex wide", "/secr.t/ wide"),
    ("regex wide fullword", "/secr.t/ wide fullword"),
    ("regex class", "/[^a-z \\x00]{3,5}[0-9]/"),
    ("regex perl", "/\\d+\\.\\d+\\.\\d+\\.\\d+/"),
    ("regex word", "/\\bab\\b/"),
    ("regex not word", "/\\Bbc\\B/"),
    ("regex space", "/line\\stwo/"),
    ("regex negated", "/\\S+\\W\\w\\D/"),
    ("regex lazy", "/a+?b/"),
    ("regex greedy", "/a+b/"),
    ("regex lazy range", "/a{1,3}?/"),
    ("regex range", "/(ab|abc){2,3}/"),
    ("regex open", "/abc.*abc/"),
    ("regex open lazy", "/abc.*?abc/"),
    ("regex alternative", "/(plain|wide|last) (secret|line)/"),
    ("regex alternative prefix", "/ab|abc|abcabc/"),
    ("regex empty alternative", "/ab(c|)a/"),
    ("regex anchor start", "/^plain/"),
    ("regex anchor end", "/end$/"),
    ("regex bytes", "/\\x00\\x01[\\x02-\\x05]/"),
    ("regex url", "/https?:\\/\\/[a-z0-9.]{4,20}\\/[^ ]*/"),
    ("regex no literal", "/[a-z]{12,}/"),
    ("regex private", "/sec[a-z]+/ private"),
];

const CONDITIONS: &[(&str, &str, &str)] = &[
    ("true", "", "true"),
    ("false", "", "false"),
    ("filesize", "", "filesize > 100 and filesize < 1MB"),
    ("filesize KB", "", "filesize <= 1KB"),
    ("filesize exact", "", "filesize == 5000"),
    ("arithmetic", "", "(7 * 3 - 1) \\ 4 == 5 and 7 % 4 == 3 and -3 + 5 == 2"),
    (
        "bits",
        "",
        "(0xf0 & 0x3c) == 0x30 and (1 | 6) == 7 and (5 ^ 1) == 4 and ~0 == -1 and 1 << 4 == 16 and 256 >> 4 == 0x10",
    ),
    ("octal", "", "0o17 == 15"),
    ("float", "", "1.5 + 1.5 == 3.0 and 0.1 < 0.2"),
    ("division by zero", "", "1 \\ (filesize - filesize) == 0"),
    ("compare text", "", "\"abc\" == \"abc\" and \"abc\" < \"abd\" and \"abc\" != \"ab\""),
    ("contains", "", "\"abcdef\" contains \"cde\" and not \"abcdef\" contains \"xyz\""),
    (
        "icontains",
        "",
        "\"abcDEF\" icontains \"CdE\" and \"abc\" istartswith \"AB\" and \"abc\" iendswith \"BC\"",
    ),
    ("startswith", "", "\"abc\" startswith \"ab\" and \"abc\" endswith \"bc\" and \"abc\" iequals \"ABC\""),
    ("matches", "", "\"abc123\" matches /^[a-z]+\\d+$/ and not \"abc\" matches /^b/"),
    ("external", "", "filename == \"mixed.bin\" or extension == \".none\""),
    ("external path", "", "filepath contains \"noise\" and owner == \"\""),
    ("uint8", "", "uint8(0) == 0x4d and uint16(0) == 0x5a4d"),
    ("uint big endian", "", "uint16be(0) == 0x4d5a or uint32be(0) == 0x7f454c46"),
    ("int", "", "int8(0) == 0x61 or int32(0) == 0x464c457f"),
    ("uint beyond", "", "uint32(filesize) == 0"),
    ("not undefined", "", "not uint32(filesize) == 0"),
    ("defined", "", "defined uint32(0)"),
    ("not defined", "", "not defined uint32(filesize - 2)"),
    ("count", "$a = \"abc\"", "#a > 5"),
    ("count zero", "$a = \"abc\" $b = \"secret\"", "#a == 0 and $b"),
    ("count in", "$a = \"abc\"", "#a in (0..100) > 3"),
    ("offset", "$a = \"secret\"", "@a == 6"),
    ("offset of second", "$a = \"secret\"", "@a[2] > @a[1]"),
    ("offset undefined", "$a = \"secret\"", "@a[99] > 0"),
    ("length", "$a = /ab+c*/", "!a == 3"),
    ("length of second", "$a = /a+/", "!a[1] == 1 and !a[2] >= 1"),
    ("at", "$a = \"plain\"", "$a at 0"),
    ("at expression", "$a = \"end\"", "$a at filesize - 3"),
    ("in", "$a = \"secret\"", "$a in (0..20)"),
    ("in end", "$a = \"end\"", "$a in (filesize - 10..filesize)"),
    ("any of them", "$a = \"secret\" $b = \"nothing\"", "any of them"),
    ("all of them", "$a = \"secret\" $b = \"abc\"", "all of them"),
    ("none of them", "$a = \"secret\" $b = \"nothing\"", "none of them"),
    ("number of", "$a = \"secret\" $b = \"abc\" $c = \"nothing\"", "2 of them"),
    ("percent of", "$a = \"secret\" $b = \"abc\" $c = \"nothing\"", "50% of them"),
    ("of set", "$a1 = \"secret\" $a2 = \"nothing\" $b = \"abc\"", "any of ($a*) and $b"),
    ("of in", "$a = \"secret\" $b = \"plain\"", "any of ($a, $b) in (0..8)"),
    ("for of", "$a = \"secret\" $b = \"plain\"", "for any of them : ( $ at 0 )"),
    ("for all of", "$a = \"secret\" $b = \"abc\"", "for all of them : ( # > 1 )"),
    ("for of offset", "$a = \"secret\" $b = \"plain\"", "for any of ($a, $b) : ( @ > 5 and ! == 6 )"),
    ("for in", "$a = \"abc\"", "for all i in (1..#a) : ( @a[i] < 3000 )"),
    ("for in list", "", "for any i in (0, 2, 4) : ( uint8(i) == 0x61 )"),
    ("for number in", "", "for 3 i in (0..10) : ( uint8(i) == 0 )"),
    (
        "for nested",
        "$a = \"abc\"",
        "for any i in (1..#a) : ( for any j in (i..#a) : ( @a[j] - @a[i] == 9 ) )",
    ),
    ("for none", "", "for none i in (0..3) : ( uint8(i) == 0x4d )"),
    ("anonymous", "$ = \"secret\" $ = \"abc\"", "2 of them"),
    ("and or not", "$a = \"secret\" $b = \"nothing\"", "($a or $b) and not ($a and $b)"),
    ("entrypoint", "", "entrypoint >= 0"),
];

const MODULES: &[(&str, &str, &str)] = &[
    ("elf type", "elf", "elf.type == elf.ET_DYN or elf.type == elf.ET_EXEC"),
    ("elf machine", "elf", "elf.machine == elf.EM_X86_64"),
    (
        "elf sections",
        "elf",
        "for any section in elf.sections : ( section.name == \".text\" and section.size > 100 )",
    ),
    (
        "elf segments",
        "elf",
        "elf.number_of_segments > 3 and for any i in (0..elf.number_of_segments - 1) : ( elf.segments[i].type == elf.PT_LOAD )",
    ),
    ("elf entry", "elf", "elf.entry_point > 0 and elf.number_of_sections > 5"),
    ("elf dynamic", "elf", "for any d in elf.dynamic : ( d.type == elf.DT_NEEDED )"),
    (
        "hash md5",
        "hash",
        "hash.md5(0, filesize) == \"d41d8cd98f00b204e9800998ecf8427e\" or hash.md5(0, 1) == \"0cc175b9c0f1b6a831c399e269772661\"",
    ),
    ("hash sha1", "hash", "hash.sha1(0, 1) == \"86f7e437faa5a7fce15d1ddcb9eaeaea377667b8\""),
    (
        "hash sha256",
        "hash",
        "hash.sha256(0, 1) == \"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\"",
    ),
    ("hash text", "hash", "hash.md5(\"a\") == \"0cc175b9c0f1b6a831c399e269772661\""),
    ("hash checksum", "hash", "hash.checksum32(0, 100) == 0 and hash.crc32(0, 10) != 0"),
    ("hash beyond", "hash", "hash.md5(0, filesize + 10) == \"d41d8cd98f00b204e9800998ecf8427e\""),
    ("math entropy", "math", "math.entropy(0, filesize) > 7.9"),
    ("math entropy text", "math", "math.entropy(\"AAAA\") == 0.0"),
    ("math mean", "math", "math.mean(0, filesize) > 100.0 and math.mean(0, filesize) < 150.0"),
    ("math deviation", "math", "math.deviation(0, filesize, math.MEAN_BYTES) > 60.0"),
    ("math correlation", "math", "math.serial_correlation(0, filesize) < 0.1"),
    ("math monte carlo", "math", "math.monte_carlo_pi(0, filesize) < 0.1"),
    ("math in range", "math", "math.in_range(math.mean(0, filesize), 60.0, 130.0)"),
    ("math min max", "math", "math.max(3, 7) == 7 and math.min(3, 7) == 3 and math.abs(-4) == 4"),
    ("math to number", "math", "math.to_number(1 == 1) == 1"),
    ("math count", "math", "math.count(0x61, 0, filesize) > 10"),
    ("math percentage", "math", "math.percentage(0x00, 0, filesize) > 0.5"),
    ("math mode", "math", "math.mode(0, filesize) == 0"),
    ("time now", "time", "time.now() > 1700000000"),
    ("pe is", "pe", "pe.is_pe"),
    ("pe machine", "pe", "pe.machine == pe.MACHINE_I386 and pe.number_of_sections == 1"),
    ("pe section", "pe", "pe.sections[0].name == \".text\" and pe.sections[0].raw_data_offset == 0x200"),
    ("pe entry", "pe", "pe.entry_point == 0x200 and pe.timestamp == 0x5f000000"),
    (
        "pe characteristics",
        "pe",
        "pe.characteristics & pe.EXECUTABLE_IMAGE and pe.is_32bit() and not pe.is_dll()",
    ),
    ("pe imports", "pe", "not pe.imports(\"kernel32.dll\") and pe.number_of_signatures == 0"),
    ("pe checksum", "pe", "pe.calculate_checksum() != pe.checksum"),
    ("pe overlay", "pe", "pe.overlay.size == 0"),
    ("pe rich", "pe", "not defined pe.rich_signature.key"),
];

const WHOLE: &[(&str, &str)] = &[
    ("private rule", "private rule p { strings: $a = \"secret\" condition: $a } rule r { condition: p }"),
    (
        "global rule",
        "global rule g { condition: filesize > 10 } rule r { strings: $a = \"abc\" condition: $a }",
    ),
    (
        "global private rule",
        "global private rule g { condition: filesize > 2000 } rule r { condition: true }",
    ),
    ("global false", "global rule g { condition: false } rule r { condition: true }"),
    (
        "rule refers",
        "rule a { strings: $a = \"plain\" condition: $a } rule b { condition: a and filesize > 10 } rule c { condition: not a }",
    ),
    (
        "rule set",
        "rule a1 { condition: filesize > 1 } rule a2 { condition: filesize > 3000 } rule b { condition: 1 of (a*) } rule c { condition: all of (a*) }",
    ),
    ("tags", "rule r : one two_2 three { condition: true }"),
    ("meta", "rule r { meta: a = \"text\" b = 5 c = true d = -3 e = \"\\x41\\\"\" condition: true }"),
    ("comments", "// first\n/* second\n rule x { condition: true } */ rule r { condition: true // end\n }"),
    (
        "same string in two rules",
        "rule a { strings: $x = \"secret\" condition: $x } rule b { strings: $x = \"secret\" nocase condition: #x > 2 }",
    ),
    (
        "several imports",
        "import \"math\"\nimport \"hash\"\nrule r { condition: math.abs(-1) == 1 and hash.md5(\"\") == \"d41d8cd98f00b204e9800998ecf8427e\" }",
    ),
    (
        "many strings",
        "rule r { strings: $a = \"secret\" $b = { 61 62 } $c = /li.e/ $d = \"end\" wide ascii $e = \"xor secret\" xor condition: 3 of them }",
    ),
    (
        "private and shown",
        "rule r { strings: $a = \"secret\" private $b = \"plain\" condition: all of them }",
    ),
    ("reserved looking", "rule ruler { strings: $condition = \"secret\" condition: $condition }"),
    ("include", "include \"other.yar\" rule r { condition: true }"),
];
