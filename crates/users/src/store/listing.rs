//! Which users a list shows, and in which order.

use std::ops::Bound;

use holdfast_storage::record::{Scan, Value};
use holdfast_types::{Cursor, Page, PageRequest, Result, Role, fold};

use super::UserStore;
use crate::model::User;

/// Which users a list shows: those that have all of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserFilter {
    /// How the username, the e-mail address or the name begins, folded.
    pub(crate) q: Option<String>,
    pub(crate) role: Option<Role>,
    pub(crate) disabled: Option<bool>,
    pub(crate) guest: Option<bool>,
}

/// An index of texts, and what it has of a user.
type Searched = (&'static str, fn(&User) -> Option<&str>);

/// What a search looks through, one after the other.
const SEARCHED: [Searched; 3] = [
    ("name", |user| (!user.guest).then_some(user.username.as_str())),
    ("email", |user| user.email.as_deref()),
    ("real_name", |user| user.name.as_deref()),
];

impl UserFilter {
    fn text(&self) -> String {
        format!("users {self:?}")
    }

    fn passes(&self, user: &User) -> bool {
        self.role.as_ref().is_none_or(|role| *role == user.role)
            && self.disabled.is_none_or(|disabled| disabled == user.disabled)
            && self.guest.is_none_or(|guest| guest == user.guest)
    }
}

impl UserStore {
    /// Users that are not deleted and pass the filter: the newest first, or in the order of what a search finds. A page may end
    /// early: one request looks at a bounded number of users.
    pub(crate) async fn list(
        &self,
        filter: &UserFilter,
        request: &PageRequest,
    ) -> Result<Page<User>> {
        if let Some(q) = &filter.q {
            return self.search(filter, q, request).await;
        }
        let scan = match (&filter.role, filter.disabled, filter.guest) {
            (None, None, None) => {
                let scan = Scan::of("creation", 0).descending();
                return self.db.page(scan, &filter.text(), request).await;
            }
            (_, Some(true), _) => Scan::of("disabled", 0).equal(true),
            (_, _, Some(true)) => Scan::of("guest", 0).equal(true),
            (Some(role), ..) => Scan::of("role", 0).equal(role.as_str()),
            (None, _, Some(false)) => Scan::of("guest", 0).equal(false),
            (None, ..) => Scan::of("creation", 0),
        };
        let passes = filter.clone();
        let keep = move |user: &User| passes.passes(user);
        self.db.page_where(scan.descending(), &filter.text(), request, keep).await
    }

    async fn search(
        &self,
        filter: &UserFilter,
        q: &str,
        request: &PageRequest,
    ) -> Result<Page<User>> {
        let text = filter.text();
        let begin = request.after.as_ref().map_or(Ok((0, None)), |after| after.position(&text));
        let (mut phase, mut within): (usize, Option<String>) = begin?;
        let mut items = Vec::new();
        while let Some((index, _)) = SEARCHED.get(phase) {
            let after = within.take().map(Cursor::from_wire);
            let rest = PageRequest { limit: request.limit - items.len(), after };
            let (passes, begins) = (filter.clone(), q.to_owned());
            let keep = move |user: &User| {
                let is_found = |(_, of): &Searched| {
                    of(user).is_some_and(|text| fold(text).starts_with(&begins))
                };
                passes.passes(user) && !SEARCHED[..phase].iter().any(is_found)
            };
            let list = format!("{text} {index}");
            let page = self.db.page_where(beginning(index, q), &list, &rest, keep).await?;
            items.extend(page.items);
            match page.next {
                Some(next) => {
                    let next = Some(Cursor::new(&text, &(phase, next.as_str())));
                    return Ok(Page { items, next });
                }
                None => phase += 1,
            }
            if items.len() == request.limit && phase < SEARCHED.len() {
                let next = Some(Cursor::new(&text, &(phase, None::<&str>)));
                return Ok(Page { items, next });
            }
        }
        Ok(Page { items, next: None })
    }
}

/// All whose text in an index begins so.
fn beginning(index: &'static str, text: &str) -> Scan {
    let last = format!("{text}{}", char::MAX);
    let (from, to) = (Value::from(text), Value::from(last.as_str()));
    Scan::of(index, 0).range(Bound::Included(from), Bound::Included(to))
}
