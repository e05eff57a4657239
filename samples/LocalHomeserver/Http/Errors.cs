using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>The errors that more than one endpoint gives. Throwing one ends the request: <see cref="MatrixErrors"/> writes it.</summary>
internal static class Errors
{
    public static MatrixErrorException NotJson() => New(400, "M_NOT_JSON", "The request body is not JSON");

    public static MatrixErrorException BadJson(string error = "The request body is not of the form that is needed") =>
        New(400, "M_BAD_JSON", error);

    public static MatrixErrorException MissingParam(string name) => New(400, "M_MISSING_PARAM", $"'{name}' is missing");

    public static MatrixErrorException InvalidParam(string name, string rule) =>
        New(400, "M_INVALID_PARAM", $"'{name}' must be {rule}");

    public static MatrixErrorException Forbidden(string error) => New(403, "M_FORBIDDEN", error);

    public static MatrixErrorException Unauthorized(string error) => New(401, "M_UNAUTHORIZED", error);

    public static MatrixErrorException NotFound(string error) => New(404, "M_NOT_FOUND", error);

    /// <summary>For what may work later (D3).</summary>
    public static MatrixErrorException Unavailable(string error) =>
        new(new MatrixError(503, "M_UNKNOWN", error) { RetryAfter = TimeSpan.FromSeconds(5) });

    public static MatrixErrorException New(int statusCode, string errorCode, string error) =>
        new(new MatrixError(statusCode, errorCode, error));
}
