//! `GET /endpoints`: tens of thousands of them, sorted and searched by the database.

use std::collections::HashSet;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use quell_store::endpoint::list::{self as store, By, Keep, Listed, MOST_TAGS, Order, Place};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::routes;
use uuid::Uuid;

use super::{Endpoint, EndpointRow};
use crate::api::body::Json;
use crate::api::cursor::{self, List, Page, Turn};
use crate::api::export::{self, Cells, Format};
use crate::api::query::{self, Listing, bad};
use crate::api::route::{Route, permit};
use crate::auth::{Caller, Permission};
use crate::problem::Problem;
use crate::state::App;

/// Characters of a text that is searched for, and of a tag.
const TEXT: usize = 200;

pub(super) fn route() -> Route {
    permit(Permission::EndpointRead, routes!(list_endpoints))
}

/// Which endpoints, and how they are shown.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// `active` or `revoked`.
    state: Option<String>,
    /// This exact name.
    name: Option<String>,
    /// `linux`, `windows` or `macos`.
    os: Option<String>,
    /// With this tag; with all of them where several are given with commas between, at most 4.
    tag: Option<String>,
    /// Isolated now, or not.
    isolated: Option<bool>,
    /// With an alarm, or without.
    alarm: Option<bool>,
    /// Whose agent holds a session with this server now, or does not.
    connected: Option<bool>,
    /// With this text in name, tags, host name, addresses, people logged on or system, upper and lower case alike.
    #[param(max_length = 200)]
    text: Option<String>,
    /// `name`, `last_seen` or `enrolled`, downwards with a `-` before it; `-enrolled` where absent. A cursor is good for the
    /// order that it came from. By `last_seen`, an endpoint that is heard between two pages changes its place.
    sort: Option<String>,
    /// `row` for a few words of each, which is a tenth of the bytes; `whole` where absent.
    #[param(inline)]
    view: Option<View>,
    /// Whether to count all that fit, on all pages.
    count: Option<bool>,
}

/// How much is told of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum View {
    /// All that is known.
    #[default]
    Whole,
    /// A few words.
    Row,
}

/// A page of endpoints.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EndpointPage<T> {
    /// The endpoints. A page may hold fewer than asked for and still be followed by another.
    items: Vec<T>,
    /// Give this as `cursor` for the next page; `null` on the last.
    next: Option<String>,
    /// How many there are on all pages, where `count=true` asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
}

/// A page in one of the two views.
#[derive(ToSchema)]
#[schema(as = Endpoints)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the answer")]
pub(super) enum Endpoints {
    /// With all that is known of each.
    Whole(EndpointPage<Endpoint>),
    /// With a few words of each: `view=row`.
    Rows(EndpointPage<EndpointRow>),
}

/// Endpoints, latest enrolled first
#[utoipa::path(get, path = "/endpoints", tag = "endpoints", params(Turn, Filter),
    responses((status = 200, body = Endpoints)))]
pub(super) async fn list_endpoints(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Listing { turn, filter }: Listing<Filter>,
) -> Result<Response, Problem> {
    let wanted = Wanted::of(&app, caller.tenant, filter)?;
    match wanted.view {
        View::Whole => answer(app, wanted, turn, &headers, Endpoint::of).await,
        View::Row => answer(app, wanted, turn, &headers, EndpointRow::of).await,
    }
}

async fn answer<T: Serialize + Cells + Send + 'static>(
    app: App,
    wanted: Wanted,
    turn: Turn,
    headers: &HeaderMap,
    view: fn(&crate::state::Inner, quell_store::endpoint::Endpoint) -> T,
) -> Result<Response, Problem> {
    if Format::asked(&turn, headers)? == Format::Json {
        let (page, total) = read(&app, wanted, &turn, view).await?;
        return Ok(Json(EndpointPage { items: page.items, next: page.next, total }).into_response());
    }
    let wanted = Wanted { is_counted: false, ..wanted };
    export::list(turn, headers, "endpoints", move |turn| {
        let (app, wanted) = (app.clone(), wanted.clone());
        async move { read(&app, wanted, &turn, view).await.map(|(page, _)| page) }
    })
    .await
}

async fn read<T>(
    app: &App,
    wanted: Wanted,
    turn: &Turn,
    view: fn(&crate::state::Inner, quell_store::endpoint::Endpoint) -> T,
) -> Result<(Page<T>, Option<u64>), Problem> {
    let order = wanted.order;
    let (after, limit) = turn.sorted(List::Endpoints, mark(order))?;
    let after = after.map(|(id, key)| place(order, id, &key)).transpose()?;
    let (listed, total) = app.store.read(move |tx| wanted.read(tx, after.as_ref(), limit)).await?;
    let next = listed
        .next
        .map(|place| cursor::write_sorted(List::Endpoints, mark(order), place.id, &key(order, &place)));
    let items = listed.rows.into_iter().map(|row| view(app, row)).collect();
    Ok((Page { items, next }, total))
}

/// What was asked for, checked.
#[derive(Clone, Debug)]
struct Wanted {
    tenant: Uuid,
    filter: store::Filter,
    order: Order,
    view: View,
    is_counted: bool,
    /// Who is connected, and whether those are wanted or the others.
    connected: Option<(HashSet<Uuid>, bool)>,
}

impl Wanted {
    fn of(app: &App, tenant: Uuid, filter: Filter) -> Result<Self, Problem> {
        let Filter { state, name, os, tag, isolated, alarm, connected, text, sort, view, count } = filter;
        let tags: Vec<String> =
            tag.iter().flat_map(|tags| tags.split(',')).map(|tag| tag.trim().to_owned()).collect();
        if tags.len() > MOST_TAGS || tags.iter().any(|tag| tag.is_empty() || tag.chars().count() > TEXT) {
            return Err(bad("tag", &format!("must be 1 to {MOST_TAGS} tags with commas between")));
        }
        let is_searchable =
            |text: &String| text.chars().count() <= TEXT && !text.chars().any(char::is_control);
        if !text.iter().all(is_searchable) {
            return Err(bad(
                "text",
                &format!("must be up to {TEXT} characters, none of them a control character"),
            ));
        }
        let text = text.filter(|text| !text.is_empty());
        let held = |wanted| {
            let sessions = app.sessions.all();
            let ids =
                sessions.iter().filter(|session| session.tenant == tenant).map(|session| session.endpoint);
            (ids.collect(), wanted)
        };
        Ok(Self {
            tenant,
            filter: store::Filter { state, name, os, isolated, alarm, text, tags },
            order: order(sort.as_deref())?,
            view: view.unwrap_or_default(),
            is_counted: count.unwrap_or_default(),
            connected: connected.map(held),
        })
    }

    /// The page, and how many there are, as one state of the database has them.
    fn read(
        &self,
        tx: &mut quell_store::Tx<'_>,
        after: Option<&Place>,
        limit: u32,
    ) -> Result<(Listed, Option<u64>), quell_store::Error> {
        let keep = self.connected.as_ref().map(|(ids, wanted)| move |id: Uuid| ids.contains(&id) == *wanted);
        let keep = keep.as_ref().map(|keep| keep as Keep<'_>);
        let total =
            if self.is_counted { Some(store::count(tx, self.tenant, &self.filter, keep)?) } else { None };
        Ok((store::list(tx, self.tenant, &self.filter, self.order, after, limit, keep)?, total))
    }
}

fn order(sort: Option<&str>) -> Result<Order, Problem> {
    let Some(sort) = sort else { return Ok(Order::default()) };
    let known = [("name", By::Name), ("last_seen", By::LastSeen), ("enrolled", By::Enrolled)];
    query::order(sort, &known).map(|(by, upwards)| Order { by, upwards })
}

/// How an order is told apart in cursors.
fn mark(order: Order) -> u8 {
    let by = match order.by {
        By::Enrolled => 0,
        By::Name => 1,
        By::LastSeen => 2,
    };
    by * 2 + u8::from(order.upwards)
}

/// What a cursor holds beside the id.
fn key(order: Order, place: &Place) -> Vec<u8> {
    match order.by {
        By::Enrolled => Vec::new(),
        By::Name => place.name.clone().into_bytes(),
        By::LastSeen => place.seen.to_be_bytes().to_vec(),
    }
}

fn place(order: Order, id: Uuid, key: &[u8]) -> Result<Place, Problem> {
    let mut place = Place { id, name: String::new(), seen: 0 };
    let fits = match (order.by, key) {
        (By::Enrolled, []) => Some(()),
        (By::Enrolled, _) => None,
        (By::Name, name) => String::from_utf8(name.to_vec()).ok().map(|name| place.name = name),
        (By::LastSeen, seen) => seen.try_into().ok().map(|seen| place.seen = i64::from_be_bytes(seen)),
    };
    fits.map(|()| place).ok_or_else(|| bad("cursor", "not a cursor of this list"))
}
