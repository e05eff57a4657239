using System.Text.RegularExpressions;

namespace LocalHomeserver.Tests;

/// <summary>The page at <c>/</c>, as files. What it does, tests/Browser looks at.</summary>
internal sealed partial class PageTests
{
    private Homeserver _server = null!;

    [OneTimeSetUp]
    public async Task StartServer() => _server = await Homeserver.StartAsync("memory");

    [OneTimeTearDown]
    public async Task StopServer() => await _server.DisposeAsync();

    [Test]
    public async Task The_page_is_served_and_lets_nothing_in_or_out()
    {
        var page = await Get("/");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(page.Status, Is.EqualTo(200));
            Assert.That(page.Headers["Content-Type"], Is.EqualTo("text/html; charset=utf-8"));
            Assert.That(page.Headers["Cache-Control"], Is.EqualTo("no-cache"));
            Assert.That(page.Headers["Content-Security-Policy"], Does.StartWith("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';"));
            Assert.That(page.Headers["X-Content-Type-Options"], Is.EqualTo("nosniff"));
        }
    }

    [Test]
    public async Task Its_parts_are_there_and_may_be_kept_for_ever()
    {
        var parts = Parts().Matches((await Get("/")).Text).Select(match => match.Groups[1].Value).ToList();
        Assert.That(parts.Select(Path.GetExtension), Is.EquivalentTo(new[] { ".svg", ".css", ".js" }));
        foreach (var part in parts)
        {
            var reply = await Get($"/{part}");
            Assert.That(reply.Status, Is.EqualTo(200), part);
            Assert.That(reply.Headers["Cache-Control"], Does.Contain("immutable"), part);
        }
    }

    [Test]
    public async Task The_licences_of_what_it_is_made_of_can_be_read()
    {
        var licences = await Get("/licences.txt");
        Assert.That(licences.Headers["Content-Type"], Is.EqualTo("text/plain; charset=utf-8"));
        Assert.That(licences.Text, Does.Contain("matrix-js-sdk 43.").And.Contain("matrix-sdk-crypto-wasm 18."));
    }

    [Test]
    public async Task WebAssembly_has_the_type_that_browsers_compile_while_they_load()
    {
        var file = Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "wwwroot", "assets"), "*.wasm")[0];
        var reply = await Get($"/assets/{Path.GetFileName(file)}");
        Assert.That(reply.Headers["Content-Type"], Is.EqualTo("application/wasm"));
    }

    [TestCase("GET", "/assets/nothing.js")]
    [TestCase("GET", "/assets/")]
    [TestCase("GET", "/appsettings.json")]
    [TestCase("GET", "/..%2f..%2fLocalHomeserver.dll")]
    [TestCase("POST", "/")]
    public async Task R5_what_is_not_there_is_a_Matrix_error_as_everywhere(string method, string path) =>
        (await _server.SendAsync(method, path)).IsError(404, "M_UNRECOGNIZED");

    private Task<Reply> Get(string path) => _server.SendAsync("GET", path);

    [GeneratedRegex("""(?:href|src)="(assets/[^"]+)""")]
    private static partial Regex Parts();
}
