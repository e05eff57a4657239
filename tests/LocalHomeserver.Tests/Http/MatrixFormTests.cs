using System.Net.Sockets;
using System.Text;

namespace LocalHomeserver.Tests;

/// <summary>What holds for every endpoint. That every response has CORS headers (R7), <see cref="Reply"/> looks after.</summary>
internal sealed class MatrixFormTests(string store) : HomeserverTests(store)
{
    [TestCase("/index.htm")]
    [TestCase("/_matrix/client/v3/unknown")]
    [TestCase("/_matrix/client/v9/sync")]
    [TestCase("/_matrix/client/v3/login/more")]
    [TestCase("/_matrix/client/v3/LOGIN")]
    [TestCase("/_matrix/client/v3/user/x/filters")]
    public async Task R5_an_unknown_endpoint_is_404_unrecognized(string path) =>
        (await Server.SendAsync("GET", path)).IsError(404, "M_UNRECOGNIZED");

    [TestCase("POST", "/_matrix/client/versions")]
    [TestCase("DELETE", "/_matrix/client/v3/login")]
    [TestCase("GET", "/_matrix/client/v3/logout")]
    [TestCase("PATCH", "/_matrix/client/r0/devices/X")]
    [TestCase("PUT", "/_matrix/client/r0/sync")]
    [TestCase("POST", "/_matrix/client/v3/sendToDevice/m.test/1")]
    public async Task R5_a_wrong_method_is_405_unrecognized(string method, string path) =>
        (await Server.SendAsync(method, path)).IsError(405, "M_UNRECOGNIZED");

    [TestCase("/_matrix/client/v3/sync")]
    [TestCase("/_matrix/client/v3/register")]
    [TestCase("/_matrix/client/v3/sendToDevice/m.test/1")]
    [TestCase("/_matrix/client/v3/unknown")]
    public async Task R6_OPTIONS_runs_no_endpoint(string path)
    {
        var reply = await Server.SendAsync("OPTIONS", path, "not JSON", token: "nonsense");
        Assert.That(reply.Status, Is.EqualTo(200));
    }

    [TestCase("")]
    [TestCase("{")]
    [TestCase("{} {}")]
    [TestCase("{\"a\":NaN}")]
    [TestCase("\uFEFF{}")]
    public async Task A_body_that_is_not_JSON_is_told(string body)
    {
        foreach (var path in new[] { "/register", "/login", "/refresh" })
            (await Call("POST", path, body)).IsError(400, "M_NOT_JSON");
    }

    [Test]
    public async Task A_body_that_is_not_UTF_8_is_not_JSON() =>
        (await Call("POST", "/login", Encoding.Latin1.GetBytes("{\"\u00FF\":1}"))).IsError(400, "M_NOT_JSON");

    [TestCase("/register", "[]")]
    [TestCase("/register", "null")]
    [TestCase("/register", """{"username":1}""")]
    [TestCase("/register", """{"username":"\ud800"}""")]
    [TestCase("/register", """{"auth":"m.login.dummy"}""")]
    [TestCase("/register", """{"inhibit_login":"yes"}""")]
    [TestCase("/login", "true")]
    [TestCase("/login", """{"type":[]}""")]
    [TestCase("/login", """{"type":"m.login.password","identifier":"alice"}""")]
    [TestCase("/refresh", """{"refresh_token":{}}""")]
    public async Task JSON_of_a_wrong_shape_is_told(string path, string body) =>
        (await Call("POST", path, body)).IsError(400, "M_BAD_JSON");

    [Test]
    public async Task Bodies_are_limited()
    {
        var large = "{\"type\":\"" + new string('x', 1024 * 1024) + "\"}";
        (await Call("POST", "/login", large)).IsError(413, "M_TOO_LARGE");
    }

    [Test]
    public async Task R1_a_Content_Type_is_neither_needed_nor_minded()
    {
        using var http = new HttpClient();
        using var body = new StringContent("{}", Encoding.UTF8, "text/plain");
        using var response = await http.PostAsync(new Uri(Server.Url + "/_matrix/client/v3/register"), body);
        Assert.That((int)response.StatusCode, Is.EqualTo(401));
    }

    [Test]
    public async Task No_input_makes_the_server_fail()
    {
        var device = await Server.RegisterAsync("X");
        var endpoints = new (string Method, string Path)[]
        {
            ("POST", "/register"), ("POST", "/login"), ("POST", "/refresh"), ("PUT", "/devices/X"), ("DELETE", "/devices/X"),
            ("POST", "/delete_devices"), ("POST", $"/user/{device.UserId}/filter"), ("PUT", "/sendToDevice/m.test/1"),
        };
        var values = new[]
        {
            "null", "0", "-1e999", "\"\"", "\"\\ud800\"", "\"\\u0000\"", "[]", "[null]", "[\"\\ud800\"]",
            "{}", "{\"\\ud800\":1}", "{\"type\":null}",
            "{\"type\":\"m.login.password\",\"identifier\":null,\"user\":\"\",\"password\":\"\"}",
            new string('[', 2000) + new string(']', 2000),
        };
        var names = new[]
        {
            "auth", "username", "password", "device_id", "devices", "identifier", "user", "type", "refresh_token", "display_name",
            "initial_device_display_name", "messages", "\\ud800",
        };

        foreach (var (method, path) in endpoints)
        {
            foreach (var body in values.Concat(names.SelectMany(_ => values, (name, value) => $"{{\"{name}\":{value}}}")))
            {
                var reply = await device.CallAsync(method, path, body);
                Assert.That(reply.Status, Is.LessThan(500), $"{method} {path} {body}");
            }
        }
    }

    [TestCase("GET /_matrix/client/v3/devices/%FF HTTP/1.1")]
    [TestCase("GET /_matrix/client/v3/devices/%zz HTTP/1.1")]
    [TestCase("GET /_matrix/client/v3/devices/.. HTTP/1.1")]
    [TestCase("GET /_matrix/client/v3/devices/%2e%2e HTTP/1.1")]
    [TestCase("GET /_matrix/client/v3/../../../.. HTTP/1.1")]
    [TestCase("GET http://elsewhere/_matrix/client/v3/devices/X HTTP/1.1")]
    [TestCase("GET /_matrix/client/v3/sync?since=%FF&access_token=%00 HTTP/1.1")]
    [TestCase("OPTIONS * HTTP/1.1")]
    [TestCase("GET //////// HTTP/1.1")]
    public async Task No_request_line_makes_the_server_fail(string requestLine)
    {
        var url = new Uri(Server.Url);
        using var client = new TcpClient();
        await client.ConnectAsync(url.Host, url.Port);
        var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"{requestLine}\r\nHost: localhost\r\nConnection: close\r\n\r\n"));

        using var reader = new StreamReader(stream);
        var statusLine = await reader.ReadLineAsync();
        Assert.That(statusLine, Does.Match("^HTTP/1.1 [234]"));
    }
}
