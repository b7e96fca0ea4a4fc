"""Systems that are asked over HTTP: OData, REST, GraphQL and SOAP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, JsonValue, model_validator

from ingestion.register.basics import EachMissing, Identifier, Secret, Setting, Strict, TableBase, Text


class BasicAuth(Strict):
    type: Literal["basic"]
    username: Setting
    password: Secret


class BearerAuth(Strict):
    type: Literal["bearer"]
    token: Secret


class ApiKeyAuth(Strict):
    type: Literal["api_key"]
    header: Text | None = None
    param: Text | None = None
    """Query parameter, where the service wants the key in the address (Datafordeler)."""
    value: Secret

    @model_validator(mode="after")
    def _one(self) -> ApiKeyAuth:
        if (self.header is None) == (self.param is None):
            raise ValueError("give either `header` or `param`, for where the key goes")
        return self


class OAuth2Auth(Strict):
    """OAuth 2.0 client credentials (RFC 6749, section 4.4)."""

    type: Literal["oauth2"]
    token_url: Setting
    client_id: Setting
    client_secret: Secret
    scope: Text | None = None
    params: dict[Text, Setting] = {}
    """Sent along: `resource` where AD FS gives the token, `audience` where Auth0 does."""
    credentials: Literal["form", "header"] = "form"
    """Where id and secret stand: in the form, as most servers take them, or in a header of basic authentication (2.3.1)."""


Auth = Annotated[BasicAuth | BearerAuth | ApiKeyAuth | OAuth2Auth, Field(discriminator="type")]


class ClientCertificate(Strict):
    """A certificate that the system knows us by (OCES system certificate), as PEM."""

    certificate: Secret
    """With the certificates between it and the root, if there are any."""
    key: Secret
    password: Secret | None = None
    """Of the key, if it is encrypted."""


class Tls(Strict):
    certificate: ClientCertificate | None = None
    authority: Secret | None = None
    """Certificate (PEM) of the authority that issued the system's own, where this machine doesn't trust it: a vendor's private
    one. The machine's own list holds as before."""


class HttpConnection(Tls):
    url: Setting
    auth: Auth | None = None
    headers: dict[Text, Setting | Secret] = {}
    """Sent with every request, e.g. an `apikey` beside OAuth2."""


class ODataConnection(HttpConnection):
    protocol: Literal["odata"]
    dialect: Literal["v2", "v4", "plain"]
    """v2: SAP Gateway. v4: ASP.NET, Dynamics, CAP. plain: a `value` array with `$filter`, and no more (GeoEnviron)."""
    params: dict[Text, Setting] = {}
    """Sent with every request, e.g. `sap-client`."""
    metadata: bool = True
    """Hold the tables against the service's `$metadata` before they are read (V2 and V4)."""


class ODataSource(Strict):
    entity_set: Text
    filter: Text | None = None
    page_size: Annotated[int, Field(gt=0)] | None = None
    count: bool = True
    """Reconcile with the service's own count; to be switched off where it counts something else."""
    delta: bool = False
    """After the first load read only changes and deletions, by the link that the service gave last (V4's delta link, SAP
    Gateway's `!deltatoken`). Where the service no longer knows the link, everything is read anew."""


class ODataTable(TableBase):
    source: ODataSource

    @model_validator(mode="after")
    def _delta_alone(self) -> ODataTable:
        if self.source.delta and (self.write != "merge" or self.cursor is not None):
            raise ValueError("`delta` goes with `write: merge` and without a `cursor`")
        asked = {*self.key, *([self.cursor.column] if self.cursor else [])}
        if inside := [name for name in self.columns if name in asked and self.columns[name].path]:
            raise ValueError(f"column '{inside[0]}' has a `path`, but the service is asked for it by name. Leave out the `path`")
        return self


class PagePaging(Strict):
    """Page number and size. Ends on an empty page or, where `total` is given, when that many rows have come."""

    type: Literal["page"]
    page_param: Text = "page"
    size_param: Text | None = "pageSize"
    size: Annotated[int, Field(gt=0)] = 250
    first: Literal[0, 1] = 0
    """The number of the first page."""


class OffsetPaging(Strict):
    """Rows to pass over. Ends on an empty page or, where `total` is given, when that many rows have come."""

    type: Literal["offset"]
    offset_param: Text = "offset"
    limit_param: Text | None = "limit"
    limit: Annotated[int, Field(gt=0)] = 250


class CursorPaging(Strict):
    """The body names a cursor for the next page."""

    type: Literal["cursor"]
    path: Text
    param: Text


class NextLinkPaging(Strict):
    """The body holds the next page's address (HATEOAS)."""

    type: Literal["next_link"]
    path: Text


class LinkHeaderPaging(Strict):
    """The answer's `Link` header holds the next page's address, as `rel="next"` (RFC 8288)."""

    type: Literal["link_header"]


class SinglePaging(Strict):
    type: Literal["single"]


Paging = Annotated[
    PagePaging | OffsetPaging | CursorPaging | NextLinkPaging | LinkHeaderPaging | SinglePaging, Field(discriminator="type")
]


class ForEach(Strict):
    """Ask once for each row of another table, or for each of some values; `{name}` in path, params and body takes the value.

    A column of the child's that has a parameter's name is filled with its value.
    """

    table: Identifier | None = None
    """Another table of this system, which is read anew for this."""
    parameters: dict[Text, Text] = {}
    """Parameter → column of that table."""
    values: dict[Text, list[Text]] = {}
    """One parameter → its values, e.g. the institutions."""
    missing: Literal["fail", "empty"] = "fail"
    """What 404 means: a fault, or that there is nothing for this one."""

    @model_validator(mode="after")
    def _one_kind(self) -> ForEach:
        if (self.table is None) != (not self.parameters) or (self.table is None) == (not self.values) or len(self.values) > 1:
            raise ValueError("give either `table` with `parameters`, or `values` of one parameter")
        return self


def check_parents(tables: Mapping[str, tuple[TableBase, ForEach | None]]) -> None:
    """Raise ValueError if a `for_each` names a table or column that isn't there, or goes in a ring."""
    for name, (_, wanted) in tables.items():
        seen = [name]
        while wanted is not None and wanted.table is not None:
            if wanted.table not in tables:
                raise ValueError(f"for_each of '{seen[-1]}' names table '{wanted.table}', which the system doesn't have")
            if wanted.table in seen:
                raise ValueError(f"for_each goes in a ring: {' → '.join([*seen, wanted.table])}")
            parent, further = tables[wanted.table]
            for column in wanted.parameters.values():
                if column not in parent.columns:
                    raise ValueError(f"for_each of '{seen[-1]}' names column '{column}', which '{wanted.table}' doesn't have")
            seen.append(wanted.table)
            wanted = further


class InBandStatus(Strict):
    """A status inside the body, for systems that answer 200 whatever happens."""

    path: Text
    accepted: Annotated[list[Text], Field(min_length=1)]
    message: Text | None = None
    """Path of what the system says about it."""


class RestConnection(HttpConnection):
    protocol: Literal["rest"]


class RestDeletions(Strict):
    """Where the system lists the rows that it has deleted. Asked before the rows, with the same paging as they."""

    path: Text
    params: dict[Text, Text] = {}
    """As for rows, `{since}` and all."""
    records: Text = "$"
    key: dict[Text, Text] = {}
    """Key column of the table → its JSONPath in a record of this list; by default its own name. `$` is the record itself."""


class RestSource(Strict):
    path: Text
    method: Literal["get", "post"] = "get"
    params: dict[Text, Text] = {}
    """In the address. `{since}` is the cursor's last value, `{since:2020-01-01}` the same with a value for the first load,
    `{today}` the Danish date and `{now}` the time in UTC; what has no value is left out."""
    body: dict[Text, JsonValue] | None = None
    """JSON for `post`; parameters as in `params`. Paging and cursor parameters then stand in it too."""
    records: Text = "$"
    """JSONPath of the array of records in the body."""
    each: Text | None = None
    """JSONPath, in a record, of a list whose elements are the rows; `^.` first in a column's path means the record itself."""
    each_missing: EachMissing = "fail"
    paging: Paging
    total: Text | None = None
    """JSONPath of the server's own row count, for reconciliation."""
    status: InBandStatus | None = None
    for_each: ForEach | None = None
    deletions: RestDeletions | None = None
    """For `merge`, which doesn't see what is gone."""

    @model_validator(mode="after")
    def _fits_together(self) -> RestSource:
        if self.body is not None and self.method != "post":
            raise ValueError("`body` needs `method: post`")
        if self.total and self.each:
            raise ValueError("`total` counts records and `each` makes several rows of one. Leave one of them out")
        return self


class RestTable(TableBase):
    source: RestSource

    @model_validator(mode="after")
    def _deletions_fit(self) -> RestTable:
        if self.source.deletions and self.write != "merge":
            raise ValueError("`deletions` is for `write: merge`; a snapshot shows by itself what is gone")
        if self.source.deletions and self.source.for_each:
            raise ValueError("`deletions` lists for the whole table. Leave out `for_each`")
        if unknown := [key for key in (self.source.deletions.key if self.source.deletions else {}) if key not in self.key]:
            raise ValueError(f"deletions.key names {', '.join(unknown)}, which `key` doesn't")
        return self


# --- GraphQL -----------------------------------------------------------------------------------------------------------------


class GraphQLConnection(HttpConnection):
    protocol: Literal["graphql"]


class GraphQLPaging(Strict):
    """Relay's way: the answer has a cursor for the next page, which goes into a variable."""

    variable: Text
    cursor: Text
    """JSONPath, below `data`, of the cursor, e.g. `sager.pageInfo.endCursor`."""
    more: Text | None = None
    """JSONPath of whether there are more, e.g. `sager.pageInfo.hasNextPage`. Without it, a null cursor ends it."""


class GraphQLSource(Strict):
    query: Text
    """With its variables declared, e.g. `query ($after: String, $since: DateTime) {…}`."""
    variables: dict[Text, JsonValue] = {}
    """May hold `{since}`, `{since:2020-01-01}`, `{today}` (Danish date) and `{now}` (UTC), e.g. for bitemporal arguments;
    a variable without a value is left out."""
    records: Text
    """JSONPath, below `data`, of the array of records."""
    each: Text | None = None
    """JSONPath, in a record, of a list whose elements are the rows; `^.` first in a column's path means the record itself."""
    each_missing: EachMissing = "fail"
    paging: GraphQLPaging | None = None
    total: Text | None = None
    """JSONPath of the server's own row count, for reconciliation."""


class GraphQLTable(TableBase):
    source: GraphQLSource


# --- SOAP --------------------------------------------------------------------------------------------------------------------


class UsernameTokenAuth(Strict):
    """WS-Security's UsernameToken, in the envelope's header."""

    type: Literal["username_token"]
    username: Setting
    password: Secret
    digest: bool = False


SoapAuth = Annotated[BasicAuth | BearerAuth | ApiKeyAuth | OAuth2Auth | UsernameTokenAuth, Field(discriminator="type")]


class SoapConnection(Tls):
    protocol: Literal["soap"]
    wsdl: Setting
    """Address or file of the service's description."""
    endpoint: Setting | None = None
    """Address of the service, where the WSDL has another one (a test system's)."""
    service: Text | None = None
    """By default the WSDL's first service and port."""
    port: Text | None = None
    auth: SoapAuth | None = None
    headers: dict[Text, Setting | Secret] = {}


class SoapSource(Strict):
    """One call. Tables that make the same call share its answer within a load, so that it costs one call."""

    operation: Text
    arguments: dict[Text, JsonValue] = {}
    """By the names and types of the WSDL. May hold `{since}`, `{since:2020-01-01}`, `{today}` (Danish date), `{now}` (UTC) and
    the parameters of `for_each`; what has no value is left out."""
    secret_arguments: dict[Text, Secret] = {}
    """Arguments that must not stand in the register; dotted (`login.kode`) for one inside another."""
    record: Text
    """Path of the element that makes a row, by local names: `Person`, or `Person/Employment` for its children. `../` first in a
    column's path goes up, as far as the path's first element, so that a child's table has its parents' keys."""
    status: InBandStatus | None = None
    """Paths by local names, e.g. `StandardRetur/StatusKode`: without it an answer that only says what went wrong is one without
    rows."""
    for_each: ForEach | None = None


class SoapTable(TableBase):
    source: SoapSource

    @model_validator(mode="after")
    def _heights(self) -> SoapTable:
        depth = self.source.record.count("/")
        high = [name for name, column in self.columns.items() if (column.path or "").count("../") > depth]
        if high:
            raise ValueError(
                f"columns {', '.join(high)}: the path goes above the first element of `record`. Begin `record` higher"
            )
        return self
