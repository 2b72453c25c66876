//! Which of an interpreter's arguments is the file that it runs: read as the interpreter itself reads them. Where code stands in
//! the arguments, or an option is not known, there is none: another file would be taken for what runs.

/// How an interpreter reads its options. Letters may stand together in one word.
struct Grammar {
    /// The beginnings of names: many have a version behind it.
    names: &'static [&'static str],
    /// Letters that stand alone.
    plain: &'static str,
    /// Letters that may have a number behind them, in the same word.
    numbered: &'static str,
    /// Letters that take what is left of the word, which may be nothing.
    rest: &'static str,
    /// Letters that take what is left of the word, else the next word.
    valued: &'static str,
    /// Letters that take the next word.
    next: &'static str,
    /// Letters whose value is the file.
    file: &'static str,
    /// Whole words.
    words: &'static [&'static str],
    /// Whole words that take the next one.
    valued_words: &'static [&'static str],
    /// What stands in the place of the file and is none.
    commands: &'static [&'static str],
    /// `-` ends the options, and those with `+` are options too.
    is_shell: bool,
}

const NONE: Grammar = Grammar {
    names: &[],
    plain: "",
    numbered: "",
    rest: "",
    valued: "",
    next: "",
    file: "",
    words: &[],
    valued_words: &[],
    commands: &[],
    is_shell: false,
};

const ALL: [Grammar; 9] = [
    Grammar {
        names: &["sh", "bash", "dash", "zsh", "ksh", "ash"],
        plain: "abefhiklmnprtuvxBCDEHPT",
        next: "oO",
        words: &["--login", "--norc", "--noprofile", "--posix", "--restricted", "--verbose", "--noediting"],
        valued_words: &["--rcfile", "--init-file"],
        is_shell: true,
        ..NONE
    },
    Grammar {
        names: &["fish"],
        plain: "ilnNP",
        valued: "dDfop",
        words: &["--interactive", "--login", "--no-config", "--private"],
        ..NONE
    },
    Grammar {
        names: &["python"],
        plain: "bBdEiIOPqRsSuvx",
        valued: "WX",
        valued_words: &["--check-hash-based-pycs"],
        ..NONE
    },
    Grammar {
        names: &["perl"],
        plain: "acdfgnpstuwWXTU",
        numbered: "0l",
        // `-d:Module` too.
        rest: "CDFimMx:=",
        valued: "I",
        ..NONE
    },
    Grammar {
        names: &["ruby"],
        plain: "acdlnpsvwU",
        numbered: "0TW",
        // `-W:category` too.
        rest: "Fi:",
        valued: "rIE",
        words: &["--jit", "--yjit", "--rjit", "--verbose", "--debug", "--enable", "--disable", "--encoding"],
        ..NONE
    },
    Grammar {
        names: &["node", "nodejs"],
        words: &[
            "-c",
            "-i",
            "--check",
            "--interactive",
            "--inspect",
            "--inspect-brk",
            "--no-warnings",
            "--trace-warnings",
            "--no-deprecation",
            "--trace-deprecation",
            "--enable-source-maps",
            "--expose-gc",
            "--max-old-space-size",
            "--preserve-symlinks",
            "--watch",
        ],
        valued_words: &[
            "-r",
            "--require",
            "-C",
            "--conditions",
            "--import",
            "--loader",
            "--experimental-loader",
        ],
        commands: &["inspect", "debug"],
        ..NONE
    },
    Grammar { names: &["php"], plain: "neqCH", valued: "cdzt", file: "f", ..NONE },
    Grammar { names: &["lua"], plain: "iEWv", valued: "l", ..NONE },
    Grammar { names: &["tclsh"], valued_words: &["-encoding"], ..NONE },
];

enum Word<'a> {
    Option,
    /// The next word belongs to it.
    Valued,
    /// What comes next is no option.
    End,
    /// The file; none: it is the next word.
    File(Option<&'a [u8]>),
    /// It runs no file, or it is not known which.
    Unknown,
}

/// The file, as it was written.
pub(super) fn operand<'a>(program: &str, arguments: &'a [Vec<u8>]) -> Option<&'a [u8]> {
    let grammar = ALL.iter().find(|grammar| grammar.is_of(program))?;
    let mut rest = arguments.iter().skip(1).map(Vec::as_slice);
    while let Some(word) = rest.next() {
        match grammar.word(word) {
            Word::Option => {}
            Word::Valued => drop(rest.next()?),
            Word::End => return rest.next(),
            Word::File(file) => return file.or_else(|| rest.next()),
            Word::Unknown => return None,
        }
    }
    None
}

fn has(letters: &str, letter: u8) -> bool {
    letters.as_bytes().contains(&letter)
}

impl Grammar {
    fn is_of(&self, program: &str) -> bool {
        let is_version =
            |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'));
        self.names.iter().any(|known| program.strip_prefix(known).is_some_and(is_version))
    }

    fn word<'a>(&self, word: &'a [u8]) -> Word<'a> {
        let is_in = |words: &[&str], word: &[u8]| words.iter().any(|known| known.as_bytes() == word);
        let name = word.split(|byte| *byte == b'=').next().unwrap_or_default();
        match word {
            b"--" => Word::End,
            b"-" if self.is_shell => Word::End,
            b"-" => Word::Unknown,
            _ if is_in(self.valued_words, word) => Word::Valued,
            _ if is_in(self.words, name) || is_in(self.valued_words, name) => Word::Option,
            [b'-', b'-', ..] => Word::Unknown,
            [b'-', letters @ ..] => self.letters(letters),
            [b'+', letters @ ..] if self.is_shell => self.letters(letters),
            _ if is_in(self.commands, word) => Word::Unknown,
            _ => Word::File(Some(word)),
        }
    }

    fn letters<'a>(&self, mut letters: &'a [u8]) -> Word<'a> {
        while let Some((letter, left)) = letters.split_first() {
            let is_last = left.is_empty();
            letters = match *letter {
                letter if has(self.plain, letter) => left,
                letter if has(self.numbered, letter) => after_number(left),
                letter if has(self.rest, letter) => return Word::Option,
                letter if has(self.valued, letter) && !is_last => return Word::Option,
                letter if has(self.valued, letter) || has(self.next, letter) && is_last => {
                    return Word::Valued;
                }
                letter if has(self.file, letter) => return Word::File((!is_last).then_some(left)),
                _ => return Word::Unknown,
            };
        }
        Word::Option
    }
}

fn after_number(text: &[u8]) -> &[u8] {
    let is_digit: fn(&u8) -> bool = match text {
        [b'x' | b'X', ..] => |byte| byte.is_ascii_hexdigit() || matches!(byte, b'x' | b'X'),
        _ => u8::is_ascii_digit,
    };
    let end = text.iter().position(|byte| !is_digit(byte)).unwrap_or(text.len());
    text.get(end..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn of(line: &str) -> Option<String> {
        let words: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        let program = std::str::from_utf8(&words[0]).unwrap();
        operand(program, &words).map(|file| String::from_utf8(file.to_vec()).unwrap())
    }

    #[test]
    fn the_file_is_the_one_that_the_interpreter_takes() {
        for (line, file) in [
            ("sh -e -x a 1", "a"),
            ("dash -ex a", "a"),
            ("bash -o pipefail /x", "/x"),
            ("bash -eo pipefail /x -c", "/x"),
            ("bash +x - -x", "-x"),
            ("bash --rcfile /rc --norc /x", "/x"),
            ("python3 -u /a.py -c x", "/a.py"),
            ("python3.11 -W ignore -Xdev -I /a.py", "/a.py"),
            ("perl -- -x", "-x"),
            ("perl5.36 -0777 -lw -I lib -MFoo=x /a.pl", "/a.pl"),
            ("ruby -W0 -rjson -I lib --disable=gems a.rb", "a.rb"),
            ("node --inspect=0 -r ./x.js --no-warnings a.js", "a.js"),
            ("php -d a=b -f a.php -r x", "a.php"),
            ("php8.2 -fa.php", "a.php"),
            ("lua5.4 -l m a.lua", "a.lua"),
            ("tclsh -encoding utf-8 a.tcl", "a.tcl"),
        ] {
            assert_eq!(of(line).as_deref(), Some(file), "{line}");
        }
    }

    #[test]
    fn code_in_the_arguments_is_no_file_and_names_none() {
        for line in [
            "bash -c /usr/sbin/sshd",
            "bash -lc x /usr/sbin/sshd",
            "bash +c x /usr/sbin/sshd",
            "sh -s /usr/sbin/sshd",
            "bash -rcfile /x /usr/sbin/sshd",
            "python3 -cprint(1) /usr/sbin/sshd",
            "python3 -ucprint(1) /usr/sbin/sshd",
            "python3 -m http.server /usr/sbin/sshd",
            "python3 - /usr/sbin/sshd",
            "perl -e CODE /usr/sbin/sshd",
            "perl -le CODE /usr/sbin/sshd",
            "perl -0777ne CODE /usr/sbin/sshd",
            "perl -F: -lane CODE /usr/sbin/sshd",
            "perl -de0 /usr/sbin/sshd",
            "perl -S sshd",
            "ruby -ne CODE /usr/sbin/sshd",
            "ruby -W0e CODE /usr/sbin/sshd",
            "ruby -C /usr/sbin sshd",
            "node -p CODE /usr/sbin/sshd",
            "node -pe CODE /usr/sbin/sshd",
            "node --eval=CODE /usr/sbin/sshd",
            "node inspect /usr/sbin/sshd",
            "php -r CODE /usr/sbin/sshd",
            "php -nr CODE /usr/sbin/sshd",
            "lua -e CODE /usr/sbin/sshd",
            "fish -c CODE /usr/sbin/sshd",
            "bash --unknown x /usr/sbin/sshd",
            "shred /usr/sbin/sshd",
            "sh",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}
