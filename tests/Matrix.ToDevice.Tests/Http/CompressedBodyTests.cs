using System.IO.Compression;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>Bodies in a host that decompresses them.</summary>
public class CompressedBodyTests
{
    private const string Path = "/_matrix/client/v3/sendToDevice/m.test/t1";
    private const string Body = """{"messages":{"@bob:hs1":{"B1":{"n":1}}}}""";

    [Test]
    public async Task R1_a_compressed_body_is_read([Values("gzip", "br", "deflate")] string encoding)
    {
        await using var server = await StartAsync();

        (await PutAsync(server, encoding, Compress(encoding, Body))).ShouldBeAccepted();

        Assert.That((await server.Login("@bob:hs1", "B1").SyncAsync()).Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task R4_a_body_that_cannot_be_decompressed_is_M_NOT_JSON(
        [Values("gzip", "br", "deflate")] string encoding, [Values("other", "cut", "damaged", "empty")] string fault)
    {
        await using var server = await StartAsync();
        var body = Compress(encoding, Body);
        body = fault switch
        {
            "other" => Encoding.ASCII.GetBytes(Body),
            "cut" => body[..(body.Length / 2)],
            "damaged" => [.. body[..12], 0xff, 0xff, 0xff, 0xff, .. body[16..]],
            _ => [],
        };

        (await PutAsync(server, encoding, body)).ShouldBe(400, "M_NOT_JSON");

        (await PutAsync(server, encoding, Compress(encoding, Body))).ShouldBeAccepted();
        Assert.That((await server.Login("@bob:hs1", "B1").SyncAsync()).Events, Has.Count.EqualTo(1));
    }

    [Test]
    public async Task D8_the_limit_counts_what_comes_out([Values("gzip", "br", "deflate")] string encoding)
    {
        await using var server = await StartAsync(builder => builder.Services.Configure<SendToDeviceOptions>(options => options.MaxBodyBytes = 10_000));

        (await PutAsync(server, encoding, Compress(encoding, Body + new string(' ', 20_000)))).ShouldBe(413, "M_TOO_LARGE");
    }

    private static Task<TestHomeserver> StartAsync(Action<ISendToDeviceBuilder>? services = null) => TestHomeserver.StartAsync(
        builder =>
        {
            builder.Services.AddRequestDecompression();
            services?.Invoke(builder);
        },
        app =>
        {
            app.UseRequestDecompression();
            app.MapSendToDevice();
            app.MapToDeviceSync();
        });

    private static async Task<TestResponse> PutAsync(TestHomeserver server, string encoding, byte[] body)
    {
        server.Login("@bob:hs1", "B1");
        using var content = new ByteArrayContent(body);
        content.Headers.ContentEncoding.Add(encoding);
        return await server.Login("@alice:hs1", "A1").SendAsync(HttpMethod.Put, Path, content);
    }

    private static byte[] Compress(string encoding, string body)
    {
        var compressed = new MemoryStream();
        using (Stream stream = encoding switch
        {
            "gzip" => new GZipStream(compressed, CompressionMode.Compress),
            "br" => new BrotliStream(compressed, CompressionMode.Compress),
            _ => new ZLibStream(compressed, CompressionMode.Compress),
        })
        {
            stream.Write(Encoding.UTF8.GetBytes(body));
        }

        return compressed.ToArray();
    }
}
