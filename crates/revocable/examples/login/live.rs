//! A page that hears from the server as long as its session lives, and no longer.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse};
use futures_core::Stream;
use revocable::tower::axum::{FormToken, Session, SessionError};
use tokio::time::Interval;

use crate::app::{App, private_page};
use crate::problem::Problem;

pub(crate) async fn page(
    State(app): State<App>,
    session: Session,
    token: FormToken,
) -> Result<Html<String>, Problem> {
    let user = app.user(&session).await?;
    let body = "<p id=\"live-status\" data-state=\"connecting\" role=\"status\">Connecting.</p>\n\
        <noscript><p>This page alone needs JavaScript.</p></noscript>\n\
        <p>Log out everywhere in another browser, and see.</p>\n\
        <script src=\"/live.js\"></script>";
    Ok(private_page("Live", &user, &token, body.to_owned()))
}

/// Events until the session ends, by whatever.
pub(crate) async fn events(session: Session) -> Result<impl IntoResponse, SessionError> {
    let ticks = Ticks {
        interval: tokio::time::interval(Duration::from_secs(1)),
        count: 0,
    };
    let events = session.until_ended(ticks).await?;
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// For the page to tell a logout from a lost connection.
pub(crate) async fn session(_: Session) -> StatusCode {
    StatusCode::NO_CONTENT
}

/// One event a second, the first at once.
struct Ticks {
    interval: Interval,
    count: u64,
}

impl Stream for Ticks {
    type Item = Result<Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        ready!(self.interval.poll_tick(context));
        let event = Event::default().event("tick").data(self.count.to_string());
        self.count += 1;
        Poll::Ready(Some(Ok(event)))
    }
}

pub(crate) async fn script() -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, "text/javascript"),
            (header::CACHE_CONTROL, "max-age=300"),
        ],
        SCRIPT,
    )
}

const SCRIPT: &str = r#""use strict";
const status = document.getElementById("live-status");

function show(state, text) {
  status.dataset.state = state;
  status.textContent = text;
}

function connect() {
  const events = new EventSource("/live/events");
  events.addEventListener("tick", (event) => show("live", `Connected for ${event.data} s.`));
  events.addEventListener("error", async () => {
    events.close();
    // The end of the stream is a logout only if the server says so.
    const answer = await fetch("/live/session", { redirect: "manual" }).catch(() => null);
    if (answer && answer.type === "opaqueredirect") {
      show("ended", "You have been logged out.");
    } else {
      show("connecting", "Connecting.");
      setTimeout(connect, 1000);
    }
  });
}

connect();
"#;
