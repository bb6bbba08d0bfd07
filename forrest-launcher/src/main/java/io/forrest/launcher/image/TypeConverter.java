package io.forrest.launcher.image;

import io.forrest.domain.MachineTypeId;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Reads {@code owner/repository/type}. */
final class TypeConverter implements ITypeConverter<MachineTypeId> {
    static final String LABEL = "OWNER/REPOSITORY/TYPE";

    @Override
    public MachineTypeId convert(String text) {
        try {
            return MachineTypeId.parse(text);
        } catch (IllegalArgumentException e) {
            throw new TypeConversionException(e.getMessage());
        }
    }
}
