using System.Text;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>How a body arrives: in chunks, too long, in parts.</summary>
public class BodyTransportTests : HttpTests
{
    private const int MaxBodyBytes = 100_000;
    private const string Head = "PUT /_matrix/client/v3/sendToDevice/m.test/t1 HTTP/1.1\r\nHost: hs1\r\n";

    private protected override void Configure(ISendToDeviceBuilder builder) =>
        builder.Services.Configure<SendToDeviceOptions>(options => options.MaxBodyBytes = MaxBodyBytes);

    [TestCase(1)]
    [TestCase(7)]
    [TestCase(4096)]
    public async Task D8_a_chunked_body_is_put_together(int chunk)
    {
        var body = ToBob($$"""{"text":"{{new string('é', 5_000)}}"}""");
        var bytes = Encoding.UTF8.GetBytes(body);
        using var connection = await RawConnection.OpenAsync(Server.Address);
        await connection.WriteAsync($"{Head}Authorization: Bearer {Alice.Token}\r\nTransfer-Encoding: chunked\r\n\r\n");
        var request = new MemoryStream();
        for (var i = 0; i < bytes.Length; i += chunk)
        {
            var length = Math.Min(chunk, bytes.Length - i);
            request.Write(Encoding.ASCII.GetBytes($"{length:x}\r\n"));
            request.Write(bytes, i, length);
            request.Write("\r\n"u8);
        }

        request.Write("0\r\n\r\n"u8);
        await connection.WriteAsync(request.ToArray());

        (await connection.ReadResponseAsync())!.ShouldBeAccepted();
        Assert.That(await BobsMailAsync(), Is.EqualTo(new[] { $$"""{"text":"{{new string('é', 5_000)}}"}""" }));
    }

    [Test]
    public async Task D8_a_body_of_the_limit_is_accepted([Values] bool chunked)
    {
        (await PutAsync(MaxBodyBytes, chunked)).ShouldBeAccepted();

        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [Test]
    public async Task R4_D8_a_body_over_the_limit_is_M_TOO_LARGE([Values] bool chunked)
    {
        (await PutAsync(MaxBodyBytes + 1, chunked)).ShouldBe(413, "M_TOO_LARGE");
        Assert.That(await CountBobsMailAsync(), Is.Zero);

        (await PutAsync(100, chunked)).ShouldBeAccepted();
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [Test]
    public async Task D8_a_body_over_the_servers_own_limit_is_M_TOO_LARGE_to_a_client_that_sends_it_all([Values] bool chunked)
    {
        (await PutAsync(40_000_000, chunked)).ShouldBe(413, "M_TOO_LARGE");
    }

    [Test]
    public async Task D8_a_length_over_the_limit_is_refused_before_the_body_comes()
    {
        using var connection = await RawConnection.OpenAsync(Server.Address);
        await connection.WriteAsync($"{Head}Authorization: Bearer {Alice.Token}\r\nContent-Length: {MaxBodyBytes + 1}\r\n\r\n");

        (await connection.ReadResponseAsync())!.ShouldBe(413, "M_TOO_LARGE");
    }

    [TestCase("zz\r\n{}\r\n0\r\n\r\n")]
    [TestCase("2\r\n{}XX0\r\n\r\n")]
    public async Task D7_chunks_that_are_none_deliver_nothing(string chunks)
    {
        using var connection = await RawConnection.OpenAsync(Server.Address);
        await connection.WriteAsync($"{Head}Authorization: Bearer {Alice.Token}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");

        (await connection.ReadResponseAsync())!.ShouldBe(400, "M_NOT_JSON");
        Assert.That(await CountBobsMailAsync(), Is.Zero);
    }

    [Test]
    public async Task D8_the_limit_is_the_endpoints_own_whatever_the_servers()
    {
        await using var server = await TestHomeserver.StartAsync(builder =>
            builder.Services.Configure<KestrelServerOptions>(
                options => options.Limits.MaxRequestBodySize = 10));
        var alice = server.Login("@alice:hs1", "A1");

        (await alice.PutAsync("m.test", "t1", ToBob())).ShouldBeAccepted();
    }

    private Task<TestResponse> PutAsync(int length, bool chunked)
    {
        var body = ToBob().PadRight(length);
        return Alice.SendAsync(
            HttpMethod.Put, $"{Endpoint}m.test/t1", chunked ? new ChunkedContent(body) : new StringContent(body));
    }

    private sealed class ChunkedContent(string body) : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, System.Net.TransportContext? context) =>
            stream.WriteAsync(Encoding.UTF8.GetBytes(body)).AsTask();

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
