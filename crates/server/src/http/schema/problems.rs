//! Which problems a route may answer with, for the document.

use crate::http::problem::{PROBLEM_TYPE, ProblemBody};
use std::collections::BTreeMap;
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

type Responses = BTreeMap<String, RefOr<Response>>;

fn problem(description: &str) -> RefOr<Response> {
    let schema = Ref::from_schema_name(ProblemBody::name());
    let content = Content::new(Some(RefOr::Ref(schema)));
    let response = ResponseBuilder::new().description(description);
    response.content(PROBLEM_TYPE, content).build().into()
}

fn documented(problems: &[(u16, &str)]) -> Responses {
    let all = ANYWHERE.iter().chain(problems);
    all.map(|(status, description)| (status.to_string(), problem(description)))
        .collect()
}

/// What any route may answer.
const ANYWHERE: &[(u16, &str)] = &[
    (400, "The request is wrong; `field` names what is at fault"),
    (401, "An API key is required"),
    (
        403,
        "The key is for other calls, or the request comes from a page of another site",
    ),
    (500, "A bug of the service"),
    (
        503,
        "The service cannot answer now; `Retry-After` says when to try again",
    ),
];

/// Of a route that reads.
pub struct ReadProblems;

impl IntoResponses for ReadProblems {
    fn responses() -> Responses {
        documented(&[])
    }
}

/// Of a route with long lists among its parameters.
pub struct SlateProblems;

impl IntoResponses for SlateProblems {
    fn responses() -> Responses {
        let mut all = documented(&[]);
        // Answered by the connection, before there is a request that a problem could speak of.
        let long = ResponseBuilder::new().description("The address is longer than 64 KiB");
        all.insert("414".to_owned(), long.build().into());
        all
    }
}

/// Of a route that reads one thing.
pub struct FindProblems;

impl IntoResponses for FindProblems {
    fn responses() -> Responses {
        documented(&[(404, "There is no such thing")])
    }
}

/// Of a route that takes a body to answer a question.
pub struct AskProblems;

impl IntoResponses for AskProblems {
    fn responses() -> Responses {
        documented(&[
            (413, "The body is too large"),
            (
                415,
                "The body is of a type or packing that is not read here",
            ),
        ])
    }
}

/// Of a route that takes in events.
pub struct IntakeProblems;

impl IntoResponses for IntakeProblems {
    fn responses() -> Responses {
        documented(&[
            (413, "The body is too large, or holds too many events"),
            (
                415,
                "The body is of a type or packing that is not read here",
            ),
            (429, "More is coming in than is being processed"),
            (507, "The disk is full; nothing of the request was stored"),
        ])
    }
}

/// Of a route that imports old events.
pub struct ImportProblems;

impl IntoResponses for ImportProblems {
    fn responses() -> Responses {
        let mut all = IntakeProblems::responses();
        let moved = problem("The source does not stand at `expected`");
        all.insert("409".to_owned(), moved);
        all
    }
}

/// Of a route that changes the catalogue.
pub struct WriteProblems;

impl IntoResponses for WriteProblems {
    fn responses() -> Responses {
        documented(&[
            (404, "There is no such record"),
            (409, "The record is there already, or changed meanwhile"),
            (412, "The record has another version than `If-Match` says"),
            (413, "The body is too large"),
            (
                415,
                "The body is of a type or packing that is not read here",
            ),
            (507, "The disk is full; nothing of the request was stored"),
        ])
    }
}

/// Of a route that sets or lifts a ban.
pub struct BanProblems;

impl IntoResponses for BanProblems {
    fn responses() -> Responses {
        let mut all = WriteProblems::responses();
        all.remove("412");
        let held = "The ban changed meanwhile, or as many brands and patterns as may be are banned";
        all.insert("409".to_owned(), problem(held));
        all.insert("422".to_owned(), problem(UNPROCESSABLE));
        all
    }
}

/// What a route says that knows every field, but not this value of it.
const UNPROCESSABLE: &str = "A field, named by `field`, says what cannot be";

/// Of a route that reads sums of rows.
pub struct ReadRowsProblems;

impl IntoResponses for ReadRowsProblems {
    fn responses() -> Responses {
        documented(&[(422, UNPROCESSABLE)])
    }
}

/// Of a route that takes in what is to be worked off later.
pub struct AskLaterProblems;

impl IntoResponses for AskLaterProblems {
    fn responses() -> Responses {
        let mut all = IntakeProblems::responses();
        all.insert("422".to_owned(), problem(UNPROCESSABLE));
        all
    }
}
