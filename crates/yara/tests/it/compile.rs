//! What is refused, where, and with which hint.

use std::time::{Duration, Instant};

use quell_yara::{CompileError, Limits, Rules, compile_within};

fn error(source: &str) -> CompileError {
    Rules::compile(source, &Limits::default()).unwrap_err()
}

fn refused(source: &str) -> CompileError {
    Rules::compile(source, &Limits::strict()).unwrap_err()
}

#[test]
fn an_error_says_where_it_is_and_what_to_try() {
    let missing = error("rule a {\n  strings:\n    $x = \"abc\"\n  condition:\n    $y\n}");
    assert_eq!((missing.line, missing.column), (5, 5), "{missing}");
    let include = error("\ninclude \"/etc/passwd\"\nrule a { condition: true }");
    assert_eq!(include.line, 2, "{include}");
    assert!(include.hint.unwrap().contains("same text"));
    let module = error("import \"cuckoo\"\nrule a { condition: true }");
    assert_eq!(module.line, 1);
    assert!(module.hint.as_deref().unwrap_or_default().contains("hash"), "{module:?}");
    let unknown = error("rule a { condition: nothing_like_it == 1 }");
    assert!(unknown.hint.as_deref().unwrap_or_default().contains("filename"), "{unknown:?}");
    assert!(error("").message.contains("no rule"));
    assert!(error("not yara").line == 1);
    assert!(error("rule a { condition: true }\0").message.contains("NUL"));
    assert_eq!(error("rule a { condition: true }\nrule a { condition: true }").line, 2);
    assert_eq!(error("rule ä { condition: true }").line, 1);
}

#[test]
fn limits_hold() {
    let many: String =
        (0..30).map(|n| format!("rule r{n} {{ condition: true }}\n")).collect::<Vec<_>>().concat();
    let limits = Limits { rules: 20, ..Limits::default() };
    assert!(Rules::compile(&many, &limits).unwrap_err().message.contains("30 rules"));
    let limits = Limits { source: 100, ..Limits::default() };
    assert!(Rules::compile(&many, &limits).unwrap_err().message.contains("100 bytes"));
    let strings: String = (0..20).map(|n| format!("$s{n} = \"text {n}\"\n")).collect::<Vec<_>>().concat();
    let source = format!("rule a {{ strings: {strings} condition: any of them }}");
    assert!(Rules::compile(&source, &Limits { strings: 10, ..Limits::default() }).is_err());
    assert_eq!(Rules::compile(&source, &Limits::default()).unwrap().count(), 1);
}

#[test]
fn costly_rules_are_refused_where_it_is_asked_and_warned_of_elsewhere() {
    let string =
        |text: &str| format!("rule costly {{\n  strings:\n    $slow = {text}\n  condition: $slow\n}}");
    for text in ["\"a\"", "/.*evil/", "/.+evil/", "/[a-z]*/", "{ ?? ?? ?? }", "/a.b.c/", "{ 61 ?? 62 ?? 63 }"]
    {
        let Err(error) = Rules::compile(&string(text), &Limits::strict()) else { panic!("{text} is fine") };
        assert_eq!((error.line, error.column), (3, 5), "{text}: {error}");
        assert!(error.message.contains("costly") && error.hint.is_some(), "{error}");
        let warned = Rules::compile(&string(text), &Limits::default()).unwrap();
        assert!(warned.warnings().iter().any(|warning| warning.costly), "{text}");
    }
    for text in [
        "\"evil\"",
        "/evil[0-9]+/",
        "{ 4D 5A [4-100] 50 45 }",
        "\"evil\" xor",
        "\"evil\" base64",
        "/ev.*il/",
        "\"evil\" wide nocase",
    ] {
        let fine = Rules::compile(&string(text), &Limits::strict())
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        assert!(fine.warnings().iter().all(|warning| !warning.costly), "{text}: {:?}", fine.warnings());
    }
    let looped = |to: &str| format!("rule a {{\n condition:\n  for any i in (0..{to}) : (uint8(i) == 1)\n}}");
    assert_eq!(refused(&looped("filesize")).line, 3);
    assert_eq!(refused(&looped("0xffffffff")).line, 3);
    assert!(Rules::compile(&looped("1000"), &Limits::strict()).is_ok());
    assert!(
        Rules::compile(
            "rule a { strings: $a = \"in (0..filesize)\" condition: $a in (0..filesize) }",
            &Limits::strict()
        )
        .is_ok()
    );
}

#[test]
fn hostile_source_is_an_error() {
    let begun = Instant::now();
    let nested = |open: &str, close: &str| {
        format!("rule a {{ condition: {}true{} }}", open.repeat(100_000), close.repeat(100_000))
    };
    let regex = |text: &str| format!("rule a {{ strings: $a = /{text}/ condition: $a }}");
    let sources = [
        nested("(", ")"),
        nested("not ", ""),
        nested("-", ""),
        regex(&format!("{}a{}", "(".repeat(50_000), ")".repeat(50_000))),
        format!("rule a {{ strings: $a = {{ {} }} condition: $a }}", "( 61 | ".repeat(20_000)),
        format!("rule a {{ condition: {} }}", "1 + ".repeat(200_000)),
        format!("rule {} {{ condition: true }}", "a".repeat(1_000_000)),
        "rule a { strings: $a = \"".repeat(50_000),
        "\u{feff}\u{202e}rule".to_owned(),
    ];
    for source in sources {
        let error = compile_within(&source, Limits::default(), Duration::from_secs(20));
        assert!(error.is_err(), "{}", &source[..60.min(source.len())]);
    }
    for text in
        [format!("abc{}", "{1000}".repeat(20)), "(((a{1,1000}){1,1000}){1,1000}){1,1000}bc".to_owned()]
    {
        let begun = Instant::now();
        let compiled = compile_within(&regex(&text), Limits::default(), Duration::from_secs(20));
        println!("{}: {compiled:?} after {:?}", &text[..20], begun.elapsed());
    }
    println!("9 hostile sources: {:?}", begun.elapsed());
    let slow = compile_within("rule a { condition: true }", Limits::default(), Duration::ZERO);
    assert!(slow.is_err_and(|error| error.message.contains("not compiled within")));
    assert!(compile_within("rule a { condition: true }", Limits::default(), Duration::from_secs(5)).is_ok());
}
