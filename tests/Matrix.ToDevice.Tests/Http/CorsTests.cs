using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Moq;

namespace Matrix.ToDevice.Tests;

public class CorsTests : HttpTests
{
    private readonly Mock<IDeviceDirectory> _directory = new();

    private protected override void Configure(ISendToDeviceBuilder builder)
    {
        _directory.Reset();
        _directory.Setup(directory => directory.FindAsync(It.IsAny<IReadOnlyList<string>>(), It.IsAny<CancellationToken>()))
            .ReturnsAsync([UserDevices.Unknown]);
        builder.Services.Replace(ServiceDescriptor.Singleton(_directory.Object));
    }

    [TestCase("PUT", "m.test/t1", "{\"messages\":{}}", 200)]
    [TestCase("PUT", "m.test/t1", "{", 400)]
    [TestCase("PUT", "m.test/t1/more", "{}", 404)]
    [TestCase("GET", "m.test/t1", "", 405)]
    [TestCase("OPTIONS", "m.test/t1", "", 200)]
    [TestCase("OPTIONS", "", "", 200)]
    public async Task R7_every_answer_has_the_CORS_headers(string method, string path, string body, int status)
    {
        var response = await Alice.SendAsync(new HttpMethod(method), Endpoint + path, new StringContent(body));

        Assert.That(response.Status, Is.EqualTo(status));
        ShouldHaveCorsHeaders(response);
    }

    [Test]
    public async Task R7_a_refused_token_has_the_CORS_headers()
    {
        var response = await Server.Login(AuthResult.UnknownToken()).PutAsync("m.test", "t1", "{}");

        response.ShouldBe(401, "M_UNKNOWN_TOKEN");
        ShouldHaveCorsHeaders(response);
    }

    [Test]
    public async Task R7_an_unavailable_server_has_the_CORS_headers()
    {
        _directory.Setup(directory => directory.FindAsync(It.IsAny<IReadOnlyList<string>>(), It.IsAny<CancellationToken>()))
            .ThrowsAsync(new TimeoutException());

        var response = await Alice.PutAsync("m.test", "t1", ToBob());

        response.ShouldBe(503, "M_UNKNOWN");
        ShouldHaveCorsHeaders(response);
    }

    [Test]
    public async Task R6_OPTIONS_needs_no_token_and_does_nothing([Values("v3", "r0", "unstable")] string version)
    {
        using var connection = await RawConnection.OpenAsync(Server.Address);
        var put = RawConnection.Put($"/_matrix/client/{version}/sendToDevice/m.test/t1", Alice.Token, ToBob());
        await connection.WriteAsync(put.Replace("PUT", "OPTIONS", StringComparison.Ordinal));
        var response = await connection.ReadResponseAsync();

        response!.ShouldBeAccepted();
        _directory.Verify(
            directory => directory.FindAsync(It.IsAny<IReadOnlyList<string>>(), It.IsAny<CancellationToken>()), Times.Never);

        // The transaction is not used up: the send looks for its recipients.
        (await Alice.PutAsync("m.test", "t1", ToBob(), version)).ShouldBeAccepted();
        _directory.Verify(
            directory => directory.FindAsync(It.IsAny<IReadOnlyList<string>>(), It.IsAny<CancellationToken>()), Times.Once);
    }

    private static void ShouldHaveCorsHeaders(TestResponse response)
    {
        Assert.That(response.Headers["Access-Control-Allow-Origin"], Is.EqualTo("*"));
        Assert.That(response.Headers["Access-Control-Allow-Methods"], Is.EqualTo("GET, POST, PUT, DELETE, OPTIONS"));
        Assert.That(response.Headers["Access-Control-Allow-Headers"], Is.EqualTo("X-Requested-With, Content-Type, Authorization"));
    }
}
