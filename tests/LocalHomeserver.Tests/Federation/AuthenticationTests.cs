using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Matrix.ToDevice;

namespace LocalHomeserver.Tests;

/// <summary>Which requests of other servers are taken for theirs.</summary>
internal sealed class AuthenticationTests
{
    private FakePeer _peer = null!;
    private Homeserver _server = null!;
    private string _uri = null!;

    [SetUp]
    public async Task Start()
    {
        _peer = await FakePeer.StartAsync();
        _server = await Homeserver.StartAsync(
            "memory", "--ServerName", "hs1.localhost", $"--Federation:Peers:{FakePeer.Name}", _peer.Url);
        _uri = "/_matrix/federation/v1/user/devices/" + (await _server.RegisterAsync("PHONE")).UserId;
    }

    [TearDown]
    public async Task Stop()
    {
        await _server.DisposeAsync();
        await _peer.DisposeAsync();
    }

    [Test]
    public async Task A_signed_request_is_answered_with_and_without_a_body_and_a_query()
    {
        (await _peer.SendAsync(_server, _uri)).Ok();
        (await _peer.SendAsync(_server, _uri, """{"b":[1,"é"],"a":{}}""")).Ok();
        (await _peer.SendAsync(_server, _uri + "?x=%2Fy&x")).Ok();
        Assert.That(_peer.Fetches, Is.EqualTo(1));
    }

    [Test]
    public async Task White_space_escapes_and_the_order_of_keys_are_not_signed()
    {
        var authorization = _peer.Sign(_uri, """{"a":1,"b":"é"}""").ToString();
        (await _peer.SendAsync(_server, _uri, authorization, """ { "b" : "\u00e9", "a" : 1 } """)).Ok();
    }

    [Test]
    public async Task The_destination_may_be_missing_in_the_header_but_not_in_what_is_signed()
    {
        (await SendAsync(_peer.Sign(_uri), header => header.Replace("destination=\"hs1.localhost\",", "", StringComparison.Ordinal))).Ok();
        Refused(await SendAsync(
            _peer.Sign(_uri, destination: "hs3.localhost"),
            header => header.Replace("destination=\"hs3.localhost\",", "", StringComparison.Ordinal)));
    }

    [Test]
    public async Task A_request_for_another_server_is_refused()
    {
        Refused(await SendAsync(_peer.Sign(_uri, destination: "hs3.localhost")));
        Refused(await SendAsync(_peer.Sign(_uri, destination: "HS1.localhost")));
        Refused(await SendAsync(_peer.Sign(_uri, destination: "hs3.localhost") with { Destination = "hs1.localhost" }));
        Refused(await SendAsync(_peer.Sign(_uri) with { Destination = "hs3.localhost" }));
    }

    [Test]
    public async Task An_origin_that_is_not_a_peer_is_forbidden_and_not_asked()
    {
        foreach (var origin in new[] { "hs3.localhost", "HS2.localhost", "hs1.localhost" })
            (await SendAsync(_peer.Sign(_uri, origin: origin))).IsError(403, "M_FORBIDDEN");
        Assert.That(_peer.Fetches, Is.Zero);
    }

    [Test]
    public async Task A_wrong_signature_is_refused()
    {
        var right = _peer.Sign(_uri);
        Refused(await SendAsync(right with { Signature = UnpaddedBase64.Encode(new byte[64]) }));
        Refused(await SendAsync(right with { Signature = "AAAA" }));
        Refused(await SendAsync(right with { Signature = "not Base64!" }));
        Refused(await SendAsync(XMatrix.Sign(
            FakePeer.Name, "hs1.localhost", SigningKey.New() with { KeyId = _peer.Key.KeyId }, "GET", _uri, null)));
        (await SendAsync(right)).Ok();
    }

    [TestCase("""{"a":1}""", """{"a":2}""")]
    [TestCase("""{"a":1}""", """{"a":1.5}""")]
    [TestCase("""{"a":1.5}""", """{"a":1}""")]
    [TestCase("""{"a":1.5}""", """{"a":1.50}""")]
    [TestCase("""{"a":1.0}""", """{"a":1}""")]
    [TestCase("""{"a":1}""", """{"a":1,"a":1}""")]
    [TestCase("""{"a":1,"a":2}""", """{"a":2,"a":1}""")]
    [TestCase("""{"a":1}""", "{}")]
    [TestCase("""{"a":1}""", null)]
    [TestCase(null, "{}")]
    [TestCase("""{"a":1}""", """{"a":1,"signatures":{}}""")]
    [TestCase("""{"a":1}""", """{"a":1,"unsigned":{}}""")]
    public async Task A_body_that_was_changed_is_refused(string? signed, string? sent) =>
        Refused(await _peer.SendAsync(_server, _uri, _peer.Sign(_uri, signed).ToString(), sent));

    [Test]
    public async Task A_header_is_of_no_use_for_another_request()
    {
        var header = _peer.Sign(_uri).ToString();
        Refused(await _peer.SendAsync(_server, _uri + "x", header, body: null));
        Refused(await _peer.SendAsync(_server, _uri + "?x=1", header, body: null));
        Refused(await _peer.SendAsync(_server, _uri.Replace("@", "%40", StringComparison.Ordinal), header, body: null));
        Refused(await SendAsync(_peer.Sign(_uri, method: "PUT")));
    }

    [TestCaseSource(typeof(XMatrixTests), nameof(XMatrixTests.Malformed))]
    public async Task R3_a_header_that_is_malformed_is_refused_in_the_form_of_Matrix(string header)
    {
        Refused(await _peer.SendAsync(_server, _uri, header, body: null));
        Assert.That(_peer.Fetches, Is.Zero);
    }

    [Test]
    public async Task A_request_without_a_header_is_refused() =>
        Refused(await _peer.SendAsync(_server, _uri, authorization: null, body: null));

    [Test]
    public async Task Of_several_headers_the_one_that_fits_is_taken_wherever_it_stands()
    {
        var right = _peer.Sign(_uri).ToString();
        string[] others =
        [
            "Basic dXNlcjpwYXNzd29yZA==", "Bearer token", "", "X-Matrix origin=hs2.localhost",
            (_peer.Sign(_uri) with { Key = "ed25519:unknown" }).ToString(),
            _peer.Sign(_uri, destination: "hs3.localhost").ToString(),
            _peer.Sign(_uri, origin: "hs4.localhost").ToString(),
        ];
        foreach (var other in others)
        {
            Assert.That(await StatusAsync(right, other), Is.EqualTo(200), other);
            Assert.That(await StatusAsync(other, right), Is.EqualTo(200), other);
        }

        Assert.That(await StatusAsync([.. others, right, .. others]), Is.EqualTo(200));
        Assert.That(await StatusAsync(right, right), Is.EqualTo(200));
    }

    [Test]
    public async Task Of_several_headers_none_of_which_fits_none_is_taken()
    {
        var wrong = (_peer.Sign(_uri) with { Signature = UnpaddedBase64.Encode(new byte[64]) }).ToString();
        var unknown = (_peer.Sign(_uri) with { Key = "ed25519:unknown" }).ToString();
        Assert.That(await StatusAsync(wrong, wrong), Is.EqualTo(401));
        Assert.That(await StatusAsync(unknown, unknown), Is.EqualTo(401));
        Assert.That(await StatusAsync("Bearer token", "Basic token"), Is.EqualTo(401));
        Assert.That(await StatusAsync(_peer.Sign(_uri, destination: "hs3.localhost").ToString(), "Bearer token"), Is.EqualTo(401));
        Assert.That(await StatusAsync(_peer.Sign(_uri, origin: "hs4.localhost").ToString(), "Bearer token"), Is.EqualTo(403));
    }

    [Test]
    public async Task A_clients_access_token_is_not_a_server() =>
        Refused(await _server.SendAsync("GET", _uri, token: (await _server.RegisterAsync()).Token));

    [TestCase("{")]
    [TestCase("{} {}")]
    [TestCase("""{},"origin":"hs2.localhost""")]
    [TestCase("\uFEFF{}")]
    public async Task R4_a_body_that_is_not_JSON_is_told(string body) =>
        (await _peer.SendAsync(_server, _uri, _peer.Sign(_uri, "{}").ToString(), body)).IsError(400, "M_NOT_JSON");

    [TestCase("[]")]
    [TestCase("""{"a":1.5,"b":[1e3,-0.0,1.50,9007199254740992,1e400]}""")]
    [TestCase("""{"b":1,"a":1,"b":{}}""")]
    [TestCase("""{"a":"\ud800","\udc00xxxxxxxxxxxxxxxx":1}""")]
    public async Task D20_a_signature_is_over_what_was_written(string body)
    {
        (await _peer.SendAsync(_server, _uri, body)).Ok();
        Refused(await _peer.SendAsync(_server, _uri, _peer.Sign(_uri, body).ToString(), body.Replace('1', '2').Replace("[]", "{}", StringComparison.Ordinal)));
    }

    [TestCase("""{ "a": -0, "b": 1e10 }""")]
    [TestCase("""{"b":[1.0,{"d":1,"c":0.0}],"a":"\u0061"}""")]
    public async Task D20_a_signature_may_be_over_the_canonical_form_of_what_was_written(string body)
    {
        var header = XMatrix.Sign(FakePeer.Name, "hs1.localhost", _peer.Key, "GET", _uri, CanonicalJson.Encode(Encoding.UTF8.GetBytes(body)));
        (await _peer.SendAsync(_server, _uri, header.ToString(), body)).Ok();
        Refused(await _peer.SendAsync(_server, _uri, header.ToString(), body.Replace('0', '3')));
    }

    [TestCase(1000)]
    [TestCase(2_000_000)]
    public async Task D20_a_body_may_nest_as_deep_as_it_is_long(int depth) =>
        (await _peer.SendAsync(_server, _uri, "{\"b\":1,\"a\":" + new string('[', depth) + new string(']', depth) + "}")).Ok();

    [TestCase(true)]
    [TestCase(false)]
    public async Task A_body_that_is_too_large_is_refused_declared_or_chunked(bool declared)
    {
        using var body = new ByteArrayContent(new byte[(10 * 1024 * 1024) + 1]);
        using var chunked = new StreamContent(new ChunkedStream(await body.ReadAsByteArrayAsync()));
        (await _peer.SendAsync(_server, _uri, _peer.Sign(_uri, "{}").ToString(), declared ? body : chunked)).IsError(413, "M_TOO_LARGE");
    }

    [TestCase("expired")]
    [TestCase("of another server")]
    [TestCase("signed by another key")]
    [TestCase("signed for another server")]
    [TestCase("not signed")]
    [TestCase("changed")]
    [TestCase("without keys")]
    [TestCase("with a key that is none")]
    [TestCase("without validity")]
    public async Task A_key_document_that_is_no_proof_is_not_believed(string how)
    {
        var document = how switch
        {
            "expired" => _peer.NewDocument(validFor: TimeSpan.FromSeconds(-1)),
            "of another server" => _peer.NewDocument(serverName: "hs3.localhost"),
            "signed by another key" => _peer.NewDocument(signer: SigningKey.New() with { KeyId = _peer.Key.KeyId }),
            _ => _peer.NewDocument(),
        };
        if (how == "signed for another server")
            document["signatures"] = new JsonObject { ["hs3.localhost"] = document["signatures"]![FakePeer.Name]!.DeepClone() };
        if (how == "not signed") document.Remove("signatures");
        if (how == "changed") document["valid_until_ts"] = document["valid_until_ts"]!.GetValue<long>() + 1;
        if (how == "without keys") document["verify_keys"] = new JsonObject();
        if (how == "with a key that is none") document["verify_keys"]![_peer.Key.KeyId]!["key"] = "AAAA";
        if (how == "without validity") document.Remove("valid_until_ts");
        _peer.Document = document;

        Refused(await SendAsync(_peer.Sign(_uri)));

        _peer.Document = null;
        _server.Clock.PutForward(TimeSpan.FromSeconds(6));
        (await SendAsync(_peer.Sign(_uri))).Ok();
    }

    [TestCase("ed25519:bad", "null")]
    [TestCase("ed25519:bad", "[]")]
    [TestCase("ed25519:bad", "7")]
    [TestCase("ed25519:bad", "{}")]
    [TestCase("ed25519:bad", """{"key":null}""")]
    [TestCase("ed25519:bad", """{"key":7}""")]
    [TestCase("ed25519:bad", """{"key":"AAAA"}""")]
    [TestCase("ed25519:bad", """{"key":"no Base64"}""")]
    [TestCase("curve25519:bad", "true")]
    [TestCase("", "null")]
    public async Task A_bad_key_in_a_document_hurts_no_other(string keyId, string key)
    {
        var document = _peer.NewDocument();
        document.Remove("signatures");
        document["verify_keys"]![keyId] = JsonNode.Parse(key);
        SignedJson.Sign(document, FakePeer.Name, _peer.Key);
        _peer.Document = document;

        (await SendAsync(_peer.Sign(_uri))).Ok();
        Refused(await SendAsync(_peer.Sign(_uri) with { Key = keyId.Length == 0 ? "ed25519:none" : keyId }));
    }

    [TestCase("{}")]
    [TestCase("[]")]
    [TestCase("null")]
    [TestCase("\"x\"")]
    [TestCase("""{"server_name":"hs2.localhost","valid_until_ts":null,"verify_keys":{}}""")]
    [TestCase("""{"server_name":"hs2.localhost","valid_until_ts":1e300,"verify_keys":{}}""")]
    [TestCase("""{"server_name":"hs2.localhost","valid_until_ts":9000000000000,"verify_keys":[]}""")]
    [TestCase("""{"server_name":"hs2.localhost","valid_until_ts":9000000000000,"verify_keys":null}""")]
    [TestCase("""{"server_name":"hs2.localhost","valid_until_ts":9000000000000}""")]
    [TestCase("""{"server_name":"hs2.localhost","valid_until_ts":9000000000000,"verify_keys":{"ed25519:\ud800":{"key":"x"}}}""")]
    [TestCase("""{"server_name":"hs2.localhost","valid_until_ts":9000000000000,"verify_keys":{"ed25519:a":{"key":"\ud800"}}}""")]
    [TestCase("""{"server_name":"\ud800","valid_until_ts":9000000000000,"verify_keys":{}}""")]
    [TestCase("""{"server_name\ud800xxxxxxxxxxxxxxxx":1,"\ud800":2}""")]
    public async Task What_is_no_document_of_keys_is_not_believed(string text)
    {
        _peer.Answers[FakePeer.KeyPath] = text;
        Refused(await SendAsync(_peer.Sign(_uri)));
    }

    [Test]
    public async Task A_document_with_thousands_of_keys_is_not_believed()
    {
        var document = _peer.NewDocument();
        document.Remove("signatures");
        for (var n = 0; n < 1000; n++) document["verify_keys"]![$"ed25519:{n}"] = new JsonObject { ["key"] = _peer.Key.PublicKey() };
        SignedJson.Sign(document, FakePeer.Name, _peer.Key);
        _peer.Document = document;

        Refused(await SendAsync(_peer.Sign(_uri)));
    }

    [Test]
    public async Task A_key_that_has_not_signed_the_document_is_not_the_servers()
    {
        var stolen = _peer.Key;
        _peer.Key = SigningKey.New();
        var document = _peer.NewDocument();
        document.Remove("signatures");
        document["verify_keys"]![stolen.KeyId] = new JsonObject { ["key"] = stolen.PublicKey() };
        SignedJson.Sign(document, FakePeer.Name, _peer.Key);
        _peer.Document = document;

        (await SendAsync(_peer.Sign(_uri))).Ok();
        Refused(await SendAsync(XMatrix.Sign(FakePeer.Name, "hs1.localhost", stolen, "GET", _uri, null)));
    }

    [Test]
    public async Task Unknown_keys_make_the_server_ask_once_in_a_while()
    {
        (await SendAsync(_peer.Sign(_uri))).Ok();
        for (var i = 0; i < 3; i++) Refused(await SendAsync(_peer.Sign(_uri) with { Key = $"ed25519:{i}" }));
        Assert.That(_peer.Fetches, Is.EqualTo(1));

        _server.Clock.PutForward(TimeSpan.FromSeconds(6));
        for (var i = 0; i < 3; i++) Refused(await SendAsync(_peer.Sign(_uri) with { Key = $"ed25519:{i}" }));
        Assert.That(_peer.Fetches, Is.EqualTo(2));
    }

    [Test]
    public async Task A_new_key_is_fetched_and_the_one_before_it_ends()
    {
        var before = _peer.Sign(_uri);
        (await SendAsync(before)).Ok();

        _peer.Key = SigningKey.New();
        _server.Clock.PutForward(TimeSpan.FromSeconds(6));
        (await SendAsync(_peer.Sign(_uri))).Ok();
        Refused(await SendAsync(before));
    }

    [TestCase(2, 2)]
    [TestCase(30, 7)]
    public async Task Keys_are_believed_as_long_as_the_document_says_and_seven_days_at_most(int saidDays, int days)
    {
        _peer.Document = _peer.NewDocument(validFor: TimeSpan.FromDays(saidDays));
        (await SendAsync(_peer.Sign(_uri))).Ok();

        _server.Clock.PutForward(TimeSpan.FromDays(days) - TimeSpan.FromMinutes(5));
        (await SendAsync(_peer.Sign(_uri))).Ok();
        Assert.That(_peer.Fetches, Is.EqualTo(1));

        _server.Clock.PutForward(TimeSpan.FromMinutes(6));
        await SendAsync(_peer.Sign(_uri));
        Assert.That(_peer.Fetches, Is.EqualTo(2));
    }

    [Test]
    public async Task D3_while_a_peers_keys_cannot_be_fetched_its_requests_may_come_again()
    {
        _peer.IsDown = true;
        for (var i = 0; i < 2; i++)
        {
            var reply = await SendAsync(_peer.Sign(_uri));
            reply.IsError(503, "M_UNKNOWN");
            Assert.That(reply.Headers, Does.ContainKey("Retry-After"));
        }

        Assert.That(_peer.Fetches, Is.EqualTo(1));

        _peer.IsDown = false;
        _server.Clock.PutForward(TimeSpan.FromSeconds(6));
        (await SendAsync(_peer.Sign(_uri))).Ok();

        // Keys that are known go on working while the peer does not answer.
        _peer.IsDown = true;
        _server.Clock.PutForward(TimeSpan.FromSeconds(6));
        (await SendAsync(_peer.Sign(_uri) with { Key = "ed25519:unknown" })).IsError(503, "M_UNKNOWN");
        (await SendAsync(_peer.Sign(_uri))).Ok();
    }

    [Test]
    public async Task Requests_that_come_at_the_same_time_fetch_the_keys_once()
    {
        var replies = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => SendAsync(_peer.Sign(_uri))));
        foreach (var reply in replies) reply.Ok();
        Assert.That(_peer.Fetches, Is.EqualTo(1));
    }

    private static void Refused(Reply reply) => reply.IsError(401, "M_UNAUTHORIZED");

    private Task<Reply> SendAsync(XMatrix header, Func<string, string>? change = null) =>
        _peer.SendAsync(_server, _uri, change is null ? header.ToString() : change(header.ToString()), body: null);

    /// <summary>What a request with several headers is answered; the clients of .NET make one of them.</summary>
    private async Task<int> StatusAsync(params string[] authorizations)
    {
        var address = new Uri(_server.Url);
        using var connection = new TcpClient();
        await connection.ConnectAsync(address.Host, address.Port);
        var headers = string.Concat(authorizations.Select(value => $"Authorization: {value}\r\n"));
        await connection.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"GET {_uri} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"));
        using var reader = new StreamReader(connection.GetStream(), Encoding.ASCII);
        return int.Parse((await reader.ReadLineAsync())!.Split(' ')[1], CultureInfo.InvariantCulture);
    }

    /// <summary>Has no length that could be declared.</summary>
    private sealed class ChunkedStream(byte[] data) : MemoryStream(data)
    {
        public override bool CanSeek => false;
    }
}
