using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;

namespace LocalHomeserver.Tests;

/// <summary>HTTPS comes from ordinary Kestrel configuration: addresses and a certificate.</summary>
internal sealed class HttpsTests
{
    private readonly X509Certificate2 _certificate = TestCertificate.New();
    private readonly string _folder = Directory.CreateTempSubdirectory("local-homeserver-tests-").FullName;

    private string File => Path.Combine(_folder, "server.pfx");

    [OneTimeSetUp]
    public void MakeFile() => System.IO.File.WriteAllBytes(File, _certificate.Export(X509ContentType.Pkcs12, "secret"));

    [OneTimeTearDown]
    public void Delete()
    {
        _certificate.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [TestCase("--urls https://127.0.0.1:0 --Kestrel:Certificates:Default:Path {file} --Kestrel:Certificates:Default:Password secret")]
    [TestCase(
        "--Kestrel:Endpoints:Federation:Url https://127.0.0.1:0 --Kestrel:Endpoints:Federation:Certificate:Path {file} "
        + "--Kestrel:Endpoints:Federation:Certificate:Password secret")]
    public async Task The_server_listens_with_HTTPS_when_Kestrel_is_configured_so(string settings)
    {
        await using var server = await Homeserver.StartAsync("memory", settings.Replace("{file}", File, StringComparison.Ordinal).Split(' '));
        Assert.That(server.Url, Does.StartWith("https://127.0.0.1:"));

        using var handler = new SocketsHttpHandler
        {
            SslOptions = new()
            {
                RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate!.GetCertHashString() == _certificate.Thumbprint,
            },
        };
        using var http = new HttpClient(handler);
        using var reply = await http.GetAsync(new Uri(server.Url + "/_matrix/client/versions"));

        Assert.That(reply.StatusCode, Is.EqualTo(HttpStatusCode.OK));
        Assert.That(JsonElement.Parse(await reply.Content.ReadAsStringAsync()).Has("versions"), Is.True);
    }
}
