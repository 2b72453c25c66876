//! What a tenant decided about one of its identity providers, and what follows for somebody who arrives.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Most groups of one person that are looked at.
const GROUPS: usize = 2000;

/// Who is of this group at the provider has this role here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GroupMapping)]
pub(crate) struct Mapping {
    /// The group, as the provider's tokens name it.
    #[schema(min_length = 1, max_length = 256, example = "ir-lead")]
    pub group: String,
    /// The name of a role that comes with Quell, or the id of one of the tenant's own.
    #[schema(example = "analyst")]
    pub role: String,
}

/// The settings of a provider, as they are stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub scopes: Vec<String>,
    pub group_claim: String,
    pub mapping: Vec<Mapping>,
    pub make_accounts: bool,
    pub domains: Vec<String>,
    pub trust_email: bool,
    /// Whether the sign-in page names it to everybody. Absent in what was stored before there was a page.
    #[serde(default)]
    pub offered: bool,
}

impl Settings {
    /// The roles that these groups give, each once.
    pub fn roles(&self, groups: &[String]) -> Vec<String> {
        let given = self.mapping.iter().filter(|mapping| groups.contains(&mapping.group));
        let mut roles: Vec<String> = given.map(|mapping| mapping.role.clone()).collect();
        roles.sort();
        roles.dedup();
        roles
    }

    /// Whether somebody with this address may come. Who has none may where no domain is asked for.
    pub fn lets_in(&self, email: Option<&str>) -> bool {
        self.domains.is_empty()
            || email
                .and_then(|email| email.rsplit_once('@'))
                .is_some_and(|(_, domain)| self.domains.iter().any(|own| own.eq_ignore_ascii_case(domain)))
    }

    /// The groups that the claims name.
    pub fn groups(&self, claims: &Map<String, Value>) -> Option<Vec<String>> {
        match find(claims, &self.group_claim)? {
            Value::String(one) => Some(vec![one.clone()]),
            Value::Array(list) => {
                Some(list.iter().take(GROUPS).filter_map(Value::as_str).map(str::to_owned).collect())
            }
            _ => None,
        }
    }

    /// The address that the provider vouches for.
    pub fn email(&self, claims: &Map<String, Value>) -> Option<String> {
        let verified = match claims.get("email_verified") {
            Some(Value::Bool(verified)) => *verified,
            // Some write it so.
            Some(Value::String(text)) => text == "true",
            _ => self.trust_email,
        };
        claims.get("email").and_then(Value::as_str).filter(|_| verified).map(str::to_owned)
    }
}

/// A claim by its name, or by its path where it lies deeper (`realm_access.roles`).
fn find<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(found) = claims.get(name) {
        return Some(found);
    }
    let mut parts = name.split('.');
    let first = claims.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    fn settings() -> Settings {
        Settings {
            scopes: Vec::new(),
            group_claim: "groups".to_owned(),
            mapping: ["a", "b", "c"]
                .map(|group| Mapping {
                    group: group.to_owned(),
                    role: if group == "c" { "auditor" } else { "analyst" }.to_owned(),
                })
                .to_vec(),
            make_accounts: true,
            domains: Vec::new(),
            trust_email: false,
            offered: false,
        }
    }

    fn claims(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn groups_are_found_where_they_are() {
        let mut settings = settings();
        assert_eq!(settings.groups(&claims(json!({ "groups": ["a", 1, "b"] }))).unwrap(), ["a", "b"]);
        assert_eq!(settings.groups(&claims(json!({ "groups": "a" }))).unwrap(), ["a"]);
        assert_eq!(settings.groups(&claims(json!({}))), None);
        settings.group_claim = "realm_access.roles".to_owned();
        assert_eq!(settings.groups(&claims(json!({ "realm_access": { "roles": ["x"] } }))).unwrap(), ["x"]);
        assert_eq!(settings.groups(&claims(json!({ "realm_access.roles": ["y"] }))).unwrap(), ["y"]);
        assert_eq!(settings.roles(&["a".into(), "b".into(), "x".into()]), ["analyst"]);
        assert!(settings.roles(&["A".into(), String::new()]).is_empty());
    }

    #[test]
    fn only_a_verified_address_counts() {
        let mut settings = settings();
        let with = |verified| claims(json!({ "email": "a@x.example", "email_verified": verified }));
        assert_eq!(settings.email(&with(json!(true))).unwrap(), "a@x.example");
        assert_eq!(settings.email(&with(json!("true"))).unwrap(), "a@x.example");
        assert_eq!(settings.email(&with(json!(false))), None);
        assert_eq!(settings.email(&claims(json!({ "email": "a@x.example" }))), None);
        settings.trust_email = true;
        assert!(settings.email(&claims(json!({ "email": "a@x.example" }))).is_some());
        assert_eq!(settings.email(&with(json!(false))), None, "what is said to be unverified never is");
        assert!(settings.lets_in(None));
        settings.domains = vec!["x.example".to_owned()];
        assert!(settings.lets_in(Some("a@X.example")) && !settings.lets_in(None));
        assert!(
            !settings.lets_in(Some("a@y.x.example")) && !settings.lets_in(Some("x.example@evil.example"))
        );
    }
}
