//! What a machine's records have: categories and the fields of each. A rule about anything else could never fire, or, worse,
//! would fire where a filter of its own should have kept it silent; so it is refused, with the name that was meant.

/// Fields that every record of a process has, whatever it did. Sigma's names; behind them ours.
const PROCESS: &[&str] = &[
    "Image",
    "CommandLine",
    "CurrentDirectory",
    "User",
    "UserId",
    "ProcessId",
    "ParentImage",
    "ParentCommandLine",
    "ParentProcessId",
    "ParentUser",
    "Hashes",
    "sha256",
    // Ours: the program was deleted or never had a name; the package that it came with; the script that it runs.
    "Deleted",
    "Package",
    "Script",
    "Container",
];

const FILE: &[&str] = &["TargetFilename", "SourceFilename"];
const NETWORK: &[&str] =
    &["Initiated", "Protocol", "SourceIp", "SourcePort", "DestinationIp", "DestinationPort"];
const DNS: &[&str] = &["QueryName", "QueryType", "QueryResults"];
const LOGIN: &[&str] = &["SourceIp", "SourceHostname", "Terminal", "Outcome"];

/// Category, and its fields beside those of the process.
const LINUX: &[(&str, &[&str])] = &[
    ("process_creation", &[]),
    ("file_event", FILE),
    ("network_connection", NETWORK),
    ("dns_query", DNS),
    ("authentication", LOGIN),
];

/// What the records have that rules will be matched over.
#[derive(Clone, Debug)]
pub struct Scope {
    /// `None` where anything may come.
    categories: Option<Vec<(String, Vec<String>)>>,
    product: Option<&'static str>,
}

impl Scope {
    /// What the flight recorder of a Linux endpoint records.
    pub fn linux() -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let category = |(name, own): &(&str, &[&str])| ((*name).to_owned(), owned(&[PROCESS, own].concat()));
        Self { categories: Some(LINUX.iter().map(category).collect()), product: Some("linux") }
    }

    /// Any category, product and field.
    pub fn any() -> Self {
        Self { categories: None, product: None }
    }

    /// The same with another category, or with more fields of one.
    #[must_use]
    pub fn with(mut self, category: &str, fields: &[&str]) -> Self {
        let fields = fields.iter().map(|field| (*field).to_owned());
        if let Some(known) = &mut self.categories {
            match known.iter_mut().find(|(name, _)| name == category) {
                Some((_, own)) => own.extend(fields),
                None => known.push((category.to_owned(), fields.collect())),
            }
        }
        self
    }

    /// The categories; none where any may come.
    pub fn categories(&self) -> impl Iterator<Item = &str> {
        self.categories.iter().flatten().map(|(name, _)| name.as_str())
    }

    /// The fields of a category; none where any may come.
    pub fn fields(&self, category: &str) -> impl Iterator<Item = &str> {
        let named = self.categories.iter().flatten().filter(move |(name, _)| name == category);
        named.flat_map(|(_, fields)| fields.iter().map(String::as_str))
    }

    /// Whether records of the category are matched here.
    pub fn has_category(&self, category: &str) -> bool {
        self.categories.is_none() || self.categories().any(|name| name == category)
    }

    /// Whether records of the category have the field.
    pub fn has_field(&self, category: &str, field: &str) -> bool {
        self.categories.is_none() || self.fields(category).any(|name| name == field)
    }

    /// The product whose records are matched here; `None` where any is.
    pub fn product(&self) -> Option<&str> {
        self.product
    }
}
