using Microsoft.AspNetCore.Http.Metadata;

namespace Matrix.ToDevice;

/// <summary>
/// Tells OpenAPI that the endpoint takes JSON, without making routing refuse anything else: clients need not send a
/// <c>Content-Type</c>, and a wrong one must not be refused (R1).
/// </summary>
internal sealed class AnyContentType : IAcceptsMetadata
{
    public static AnyContentType Instance { get; } = new();

    public IReadOnlyList<string> ContentTypes { get; } = ["application/json", "*/*"];
    public Type? RequestType => typeof(System.Text.Json.Nodes.JsonObject);
    public bool IsOptional => false;
}
