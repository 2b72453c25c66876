//! Queries and ids of paths, refused in words that say which one is wrong.

use axum::extract::{FromRequestParts, Path};
use http::Uri;
use http::request::Parts;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::cursor::Turn;
use crate::problem::{Code, Problem};

/// Values that one parameter may have.
const SEVERAL: usize = 64;

/// The parameters of a query. Unknown ones are refused, so that a misspelt filter does not list everything.
#[derive(Debug)]
pub(crate) struct Query<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        read(&parts.uri).map(Self)
    }
}

/// The query of a list: which page, and which rows.
#[derive(Debug)]
pub(crate) struct Listing<T> {
    /// Which page, in which format.
    pub turn: Turn,
    /// Which rows.
    pub filter: T,
}

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Listing<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        // Split before reading: serde cannot refuse unknown fields of a flattened struct.
        let of_turn = |part: &&str| {
            let name = part.split('=').next().unwrap_or_default();
            matches!(name, "cursor" | "limit" | "format")
        };
        let query = parts.uri.query().unwrap_or_default();
        let (turn, filter): (Vec<&str>, Vec<&str>) = query.split('&').partition(of_turn);
        Ok(Self { turn: read_pairs(&turn)?, filter: read_pairs(&filter)? })
    }
}

fn read_pairs<T: DeserializeOwned>(pairs: &[&str]) -> Result<T, Problem> {
    let uri = format!("/?{}", pairs.join("&")).parse::<Uri>();
    read(&uri.map_err(|_| Problem::new(Code::InvalidQuery, "the query is not one of a URI"))?)
}

fn read<T: DeserializeOwned>(uri: &Uri) -> Result<T, Problem> {
    axum::extract::Query::try_from_uri(uri).map(|query| query.0).map_err(|rejection| {
        let text = rejection.body_text();
        let detail = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
        Problem::new(Code::InvalidQuery, detail)
    })
}

/// The values of a parameter that takes several, with commas between; none where it is absent.
pub(crate) fn several(name: &str, text: Option<&str>) -> Result<Vec<String>, Problem> {
    let Some(text) = text else { return Ok(Vec::new()) };
    let mut values: Vec<String> = Vec::new();
    for value in text.split(',') {
        if value.is_empty() || values.len() == SEVERAL {
            let detail = format!("{name}: 1 to {SEVERAL} values with a comma between");
            return Err(Problem::new(Code::InvalidQuery, detail).field(name, "empty or too many values"));
        }
        if !values.iter().any(|known| known == value) {
            values.push(value.to_owned());
        }
    }
    Ok(values)
}

/// By what a list is sorted, of what is known, and whether upwards: downwards has a `-` before it.
pub(crate) fn order<B: Copy>(sort: &str, known: &[(&str, B)]) -> Result<(B, bool), Problem> {
    let (name, upwards) = sort.strip_prefix('-').map_or((sort, true), |name| (name, false));
    if let Some((_, by)) = known.iter().find(|(known, _)| *known == name) {
        return Ok((*by, upwards));
    }
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    let names = match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => names.concat(),
    };
    Err(bad("sort", &format!("must be {names}, with a `-` before it for downwards")))
}

/// A parameter of the query that is not acceptable.
pub(crate) fn bad(field: &str, problem: &str) -> Problem {
    Problem::new(Code::InvalidQuery, format!("{field}: {problem}")).field(field, problem)
}

/// A text to look for, in lower case; at most 200 characters.
pub(crate) fn looked_for(text: Option<String>) -> Result<Option<String>, Problem> {
    if text.as_ref().is_some_and(|text| text.chars().count() > 200) {
        return Err(Problem::new(Code::InvalidQuery, "text: longer than 200 characters")
            .field("text", "longer than 200 characters"));
    }
    Ok(text.map(|text| text.to_lowercase()))
}

/// The id at the end of a path. What is no id names nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Id(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Name(text) = Name::from_request_parts(parts, state).await?;
        parse_id(&text).map(Self).ok_or_else(|| Problem::not_found("id"))
    }
}

/// The name at the end of a path.
#[derive(Clone, Debug)]
pub(crate) struct Name(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) =
            Path::<String>::from_request_parts(parts, state).await.map_err(|_| Problem::not_found("path"))?;
        Ok(Self(text))
    }
}

/// An id in its one written form: hyphens, lower case.
pub(crate) fn parse_id(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|id| text.len() == 36 && id.to_string() == text)
}
