"""Systems that are asked over HTTP: OData and REST."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ingestion.register.basics import Secret, Setting, Strict, TableBase, Text


class BasicAuth(Strict):
    type: Literal["basic"]
    username: Setting
    password: Secret


class BearerAuth(Strict):
    type: Literal["bearer"]
    token: Secret


class ApiKeyAuth(Strict):
    type: Literal["api_key"]
    header: Text
    value: Secret


class OAuth2Auth(Strict):
    """OAuth 2.0 client credentials (RFC 6749, section 4.4)."""

    type: Literal["oauth2"]
    token_url: Setting
    client_id: Setting
    client_secret: Secret
    scope: Text | None = None


Auth = Annotated[BasicAuth | BearerAuth | ApiKeyAuth | OAuth2Auth, Field(discriminator="type")]


class ODataConnection(Strict):
    protocol: Literal["odata"]
    url: Setting
    dialect: Literal["v2", "v4", "plain"]
    """v2: SAP Gateway. v4: ASP.NET, Dynamics, CAP. plain: a `value` array with `$filter`, and no more (GeoEnviron)."""
    auth: Auth | None = None
    params: dict[Text, Setting] = {}
    """Sent with every request, e.g. `sap-client`."""
    headers: dict[Text, Setting] = {}


class ODataSource(Strict):
    entity_set: Text
    filter: Text | None = None
    page_size: Annotated[int, Field(gt=0)] | None = None


class ODataTable(TableBase):
    source: ODataSource


class PagePaging(Strict):
    """Page number and size. Ends on an empty page or, where `total` is given, when that many rows have come."""

    type: Literal["page"]
    page_param: Text = "page"
    size_param: Text | None = "pageSize"
    size: Annotated[int, Field(gt=0)] = 250
    first: Literal[0, 1] = 0


class CursorPaging(Strict):
    """The body names a cursor for the next page."""

    type: Literal["cursor"]
    path: Text
    param: Text


class NextLinkPaging(Strict):
    """The body holds the next page's address (HATEOAS)."""

    type: Literal["next_link"]
    path: Text


class SinglePaging(Strict):
    type: Literal["single"]


Paging = Annotated[PagePaging | CursorPaging | NextLinkPaging | SinglePaging, Field(discriminator="type")]


class RestConnection(Strict):
    protocol: Literal["rest"]
    url: Setting
    auth: Auth | None = None
    headers: dict[Text, Setting | Secret] = {}
    """Further headers, e.g. an `apikey` beside OAuth2."""


class RestSource(Strict):
    path: Text
    params: dict[Text, Text] = {}
    records: Text = "$"
    """JSONPath of the array of records in the body."""
    paging: Paging
    total: Text | None = None
    """JSONPath of the server's own row count, for reconciliation."""


class RestTable(TableBase):
    source: RestSource
