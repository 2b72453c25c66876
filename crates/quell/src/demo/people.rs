//! The people of the demonstration, each with an account, and each asking as themselves.

use std::path::Path;

use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Value, json};

use crate::client::Client;
use crate::failure::Failure;
use crate::output::table::field;
use crate::profile::{ApiKey, Profile};

/// What the organisation is called.
const ORGANISATION: &str = "Lusitania Freight";
/// Letters that nobody takes for another.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Somebody with an account.
pub struct Person {
    /// Their first name, in lower case.
    pub short: &'static str,
    /// Their name.
    pub name: &'static str,
    /// What they sign in with.
    pub email: String,
    /// What they are.
    pub role: &'static str,
    /// Speaks to the server as they do, signed in.
    pub client: Client,
}

/// All of them.
pub struct People {
    /// Everybody's password: of one run of the demonstration, on this machine alone.
    pub password: String,
    /// The administrator first.
    pub all: Vec<Person>,
}

/// Who there is beside the first administrator.
const OTHERS: [(&str, &str, &str); 4] = [
    ("ana", "Ana Costa", "analyst"),
    ("arno", "Arno Weber", "approver"),
    ("olga", "Olga Petrova", "operations"),
    ("aude", "Aude Martin", "auditor"),
];

impl People {
    /// Sets the server up with the code that it wrote into its data's folder, and invites the others.
    pub async fn seed(url: &str, data: &Path) -> Result<Self, Failure> {
        let password = password()?;
        let open = Client::new(&Profile { url: url.to_owned(), api_key: None, ca: None })?;
        let code = std::fs::read_to_string(data.join("setup.code"))?;
        let (short, name) = ("maria", "Maria Silva");
        let email = address(short);
        let setup = json!({
            "code": code.trim(), "name": name, "email": email, "password": password, "organisation": ORGANISATION,
        });
        open.post_open("/api/v1/setup", &setup).await.map_err(|failure| failure.during("set-up"))?;
        let maria = Person {
            short,
            name,
            client: signed_in(url, &open, &email, &password).await?,
            email,
            role: "administrator",
        };
        let mut all = vec![maria];
        for (short, name, role) in OTHERS {
            let email = address(short);
            let person = json!({"name": name, "email": email, "roles": [role]});
            let invited = all[0].client.post("/api/v1/people", &person, None).await?;
            let redemption = json!({"token": field(&invited, "/ticket/token"), "password": password});
            open.post_open("/api/v1/tickets/redeem", &redemption).await?;
            let client = signed_in(url, &open, &email, &password).await?;
            all.push(Person { short, name, email, role, client });
        }
        Ok(Self { password, all })
    }

    /// Somebody, by their first name.
    pub fn client(&self, short: &str) -> Result<&Client, Failure> {
        let found = self.all.iter().find(|person| person.short == short);
        found.map(|person| &person.client).ok_or_else(|| Failure::new(format!("nobody is called {short}")))
    }

    /// The same for programs.
    pub fn describe(&self) -> Value {
        let one = |person: &Person| {
            let told = json!({
                "name": person.name, "email": person.email, "password": self.password, "role": person.role,
            });
            (person.short.to_owned(), told)
        };
        Value::Object(self.all.iter().map(one).collect())
    }

    /// A table of them.
    pub fn table(&self) -> String {
        let line = |person: &Person| {
            format!("  {:<14} {:<13} {:<27} {}", person.name, person.role, person.email, self.password)
        };
        let lines: Vec<String> = self.all.iter().map(line).collect();
        format!("  {:<14} {:<13} {:<27} password\n{}", "name", "role", "signs in as", lines.join("\n"))
    }
}

fn address(short: &str) -> String {
    format!("{short}@lusitania.example")
}

async fn signed_in(url: &str, open: &Client, email: &str, password: &str) -> Result<Client, Failure> {
    let body = json!({"email": email, "password": password, "deliver": "token"});
    let begun = open.post_open("/api/v1/session", &body).await?;
    let api_key = Some(ApiKey::new(&field(&begun, "/token"))?);
    Client::new(&Profile { url: url.to_owned(), api_key, ca: None })
}

fn password() -> Result<String, Failure> {
    let mut bytes = [0; 12];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Failure::new("the system gives no random bytes"))?;
    let letters: Vec<u8> = bytes.iter().map(|byte| LETTERS[usize::from(*byte) % LETTERS.len()]).collect();
    let words: Vec<_> = letters.chunks(4).map(String::from_utf8_lossy).collect();
    Ok(format!("demo-{}", words.join("-")))
}
